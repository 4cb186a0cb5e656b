"""indexes by recipient and by reference"""

from storage.online_indexes import build_index, drop_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # When all indexes began with the channel, PostgreSQL could not tell them apart without statistics, and a look-up
    # by recipient or by reference read all rows of the channel.
    build_index("ix_deliveries_reference", "deliveries", ["platform_ref", "channel"])
    build_index("ix_deliveries_person", "deliveries", ["address", "state", "channel"])
    drop_index("ix_deliveries_ref", "deliveries")
    drop_index("ix_deliveries_address", "deliveries")
