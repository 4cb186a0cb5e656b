"""indexes by day and by institution"""

from storage.online_indexes import build_index, drop_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("ix_prompts_day", "prompts", ["day"])
    build_index("ix_servants_members", "servants", ["institution_id", "state"])
    drop_index(
        "ix_servants_institution_id", "servants"
    )  # covered by the index above, which begins with the same column
