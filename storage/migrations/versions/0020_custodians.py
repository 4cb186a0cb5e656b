"""custodians and what two of three of them open; the unit's key, sealed to a reading key instead of under words"""

import sqlalchemy as sa
from alembic import op

from storage.database import UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

EMPTIED = ("sessions", "invites", "access", "letters", "cases", "routes", "links", "key_lists", "officers")


def upgrade() -> None:
    # The unit's key lay in a box that only its officer's words open: it cannot be sealed again here, and without it no
    # list is signed any more. The second version was in use nowhere but in trials.
    for table in EMPTIED:
        op.execute(sa.table(table).delete())
    with op.batch_alter_table("officers", schema=None) as batch_op:
        batch_op.drop_column("unit_bundle")
        batch_op.add_column(sa.Column("unit_key", sa.Text()))
    op.create_table(
        "custodians",
        sa.Column("id", sa.String(22), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.String(64)),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("statement", sa.Text),
        sa.Column("box", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_custodians"),
        sa.UniqueConstraint("token_hash", name="uq_custodians_token_hash"),
    )
    op.create_table(
        "custodies",
        sa.Column("recovery", sa.String(22), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("joining", sa.Text, nullable=False),
        sa.Column("rehearsals", sa.Text, nullable=False),
        sa.Column("uses", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("recovery", name="pk_custodies"),
    )
