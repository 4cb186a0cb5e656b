"""keys of handled updates apart: without channel, sender, moment and order"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handled_updates",
        sa.Column("key", sa.String(160), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_handled_updates"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_handled_updates_day", "handled_updates", ["day"])
    # Keys are keyed names from now on, which a migration cannot make: what a platform repeats of the days before is
    # handled once more, and an answer counts once anyway.
    op.execute("DELETE FROM updates WHERE state = 'done'")
