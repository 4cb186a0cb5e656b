"""indexes of closures: unique for all institutions, and by day"""

from storage.online_indexes import build_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("ix_closures_general", "closures", ["day"], "institution_id IS NULL", unique=True)
    build_index("ix_closures_day", "closures", ["day", "institution_id"])
