"""people and references first"""

from storage.online_indexes import build_index, drop_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Beginning with the channel, all indexes looked alike to PostgreSQL wherever it had no statistics yet, and a look-up
    # by a person or by a reference read the whole channel.
    build_index("ix_deliveries_reference", "deliveries", ["platform_ref", "channel"])
    build_index("ix_deliveries_person", "deliveries", ["address", "state", "channel"])
    drop_index("ix_deliveries_ref", "deliveries")
    drop_index("ix_deliveries_address", "deliveries")
