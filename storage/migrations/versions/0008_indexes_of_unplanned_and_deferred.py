"""indexes of servants without a prompt and of deferred prompts"""

from storage.online_indexes import build_index

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("ix_servants_unplanned", "servants", ["state", "hour", "planned_on"])
    build_index("ix_addresses_put_off", "addresses", ["channel", "put_off_on"], "put_off_on IS NOT NULL")
