"""fingerprints of the generated keys"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty at first: the first process that starts after this step adds those of the keys that it has.
    op.create_table(
        "key_fingerprints",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_key_fingerprints"),
    )
