"""how many links into the letterbox a chat was given on a day"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_counts",
        sa.Column("row", sa.String(43), nullable=False),
        sa.Column("links", sa.SmallInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_link_counts"),
        sqlite_with_rowid=False,
    )
