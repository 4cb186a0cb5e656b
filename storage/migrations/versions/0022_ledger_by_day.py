"""a ledger that keeps the day of an action, not its hour"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The hash of a row covers its hour: a row cannot lose it and be verified, and with it one learns who asked.
    # The ledger starts again, as did the officers in 0020: both were of trials only.
    op.execute(sa.table("ledger").delete())
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_column("hour")
