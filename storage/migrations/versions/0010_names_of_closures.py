"""names of closures, each day of all institutions once"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("closures", sa.Column("name", sa.String(length=200), server_default="", nullable=False))
    # UNIQUE (institution_id, day) does not hold where institution_id is null. No version before writes this table.
    op.execute(
        "DELETE FROM closures WHERE institution_id IS NULL"
        " AND id NOT IN (SELECT min(id) FROM closures WHERE institution_id IS NULL GROUP BY day)"
    )
