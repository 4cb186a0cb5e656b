"""one process sends on a credential: its holder takes the place of shared send slots"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Processes of the version before it reserve slots in `next_at` and know no holder: stop them first, as otherwise
    # both versions send on a credential, each at the full rate.
    op.add_column("rate_limits", sa.Column("holder", sa.String(40)))
    op.drop_column("rate_limits", "next_at")
