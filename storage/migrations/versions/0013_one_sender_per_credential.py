"""one process sends on a credential: its holder takes the place of shared send slots"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Workers of the version before know no holder and reserve slots in `next_at`, which stays for them: both versions
    # send on a credential, each at the full rate, until those workers are stopped.
    op.add_column("rate_limits", sa.Column("holder", sa.String(40)))
