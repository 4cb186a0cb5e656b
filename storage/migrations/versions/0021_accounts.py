"""recovery codes that sign in, suspended officers, and a new invitation for an address whose officer is gone"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NOT_GONE = sa.text("state NOT IN ('suspended', 'left')")


def upgrade() -> None:
    # Codes given out before have no hash: they open nothing until their officer makes another one on the account's page.
    with op.batch_alter_table("officers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("code_hash", sa.Text()))
        batch_op.alter_column("state", type_=sa.String(9), existing_type=sa.String(8), existing_nullable=False)
        batch_op.drop_constraint("uq_officers_email", type_="unique")
    op.create_index(
        "uq_officers_email_not_gone",
        "officers",
        ["email"],
        unique=True,
        sqlite_where=NOT_GONE,
        postgresql_where=NOT_GONE,
    )
