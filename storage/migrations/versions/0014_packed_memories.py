"""one packed row for what a servant remembers, in place of a row for each competency"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Empty at first: the first use of a servant's memory rebuilds it from the answers. The old table was computed from
    # them too.
    op.create_table(
        "packed_memories",
        sa.Column("servant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("memory", sa.LargeBinary()),
        sa.Column("sent", sa.LargeBinary()),
        sa.ForeignKeyConstraint(
            ["servant_id"], ["servants.id"], name="fk_packed_memories_servant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("servant_id", name="pk_packed_memories"),
    )
    op.drop_table("memories")
