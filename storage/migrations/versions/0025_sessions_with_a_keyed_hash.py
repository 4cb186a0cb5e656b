"""sessions that a row alone does not open, and an index for the failed attempts of an officer's account"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Sessions of before have no hash that could be checked: everybody signs in once more.
    op.execute(sa.table("sessions").delete())
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("factor", sa.String(7), nullable=False))
        batch_op.add_column(sa.Column("mac", sa.String(43), nullable=False))
    op.create_index("ix_ledger_officer", "ledger", ["officer_id", "verb", "seq"])
