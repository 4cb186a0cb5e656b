"""refusals that may pass: of one address, and of one kind of delivery on one channel"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "address_refusals",
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("address", sa.String(160), nullable=False),
        sa.Column("refusals", sa.SmallInteger, nullable=False),
        sa.Column("first_on", sa.Date, nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("channel", "address", name="pk_address_refusals"),
        sa.ForeignKeyConstraint(
            ["channel", "address"],
            ["addresses.channel", "addresses.address"],
            name="fk_address_refusals_channel_address",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "refusal_streaks",
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
        sa.Column("is_late", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("pauses", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("paused_at", sa.DateTime(timezone=True)),
        sa.Column("paused_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("channel", "kind", name="pk_refusal_streaks"),
    )
