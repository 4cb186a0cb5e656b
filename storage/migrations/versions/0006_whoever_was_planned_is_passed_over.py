"""whoever was planned is passed over"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A step adds what older processes need not know: they plan as before, and whom they do not note is looked at again.
    op.add_column("servants", sa.Column("planned_on", sa.Date(), server_default="0001-01-01", nullable=False))
    op.create_index("ix_servants_unplanned", "servants", ["state", "hour", "planned_on"])
    waits = sa.text("put_off_on IS NOT NULL")
    op.create_index(
        "ix_addresses_put_off", "addresses", ["channel", "put_off_on"], sqlite_where=waits, postgresql_where=waits
    )
