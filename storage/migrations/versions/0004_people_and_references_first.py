"""people and references first"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Beginning with the channel, all indexes looked alike to PostgreSQL wherever it had no statistics yet, and a look-up
    # by a person or by a reference read the whole channel.
    for name, columns in (
        ("ix_deliveries_ref", ["platform_ref", "channel"]),
        ("ix_deliveries_address", ["address", "state", "channel"]),
    ):
        op.drop_index(name, table_name="deliveries")
        op.create_index(name, "deliveries", columns)
