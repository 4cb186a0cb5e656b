"""the day of the last prompt"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Processes of an older version do not set it: servants whom they plan are only examined again.
    op.add_column("servants", sa.Column("planned_on", sa.Date(), server_default="0001-01-01", nullable=False))
