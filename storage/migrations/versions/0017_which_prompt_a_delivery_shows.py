"""which prompt a delivery shows, and when it was delivered"""

import sqlalchemy as sa
from alembic import op

import storage.database

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("delivered_at", storage.database.UtcDateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("prompt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
