"""the day of the last prompt"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Older processes plan as before, and whom they do not note here is looked at again.
    op.add_column("servants", sa.Column("planned_on", sa.Date(), server_default="0001-01-01", nullable=False))
