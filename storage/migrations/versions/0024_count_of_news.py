"""news of a query as a count, and the days on which nothing could be announced"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A count shows that a letter came while a notice was on its way; a yes or no cannot.
    op.add_column("routes", sa.Column("news", sa.SmallInteger, nullable=False, server_default="0"))
    op.add_column("routes", sa.Column("failed_on", sa.Date))
    op.add_column("routes", sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"))
    routes = sa.table("routes", sa.column("news"), sa.column("has_news"))
    op.execute(sa.update(routes).where(routes.c.has_news == sa.true()).values(news=1))
    op.drop_column("routes", "has_news")
