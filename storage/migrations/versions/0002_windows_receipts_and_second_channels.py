"""reply windows, receipts and second channels"""

import sqlalchemy as sa
from alembic import op
import storage.database


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = storage.database.UtcDateTime(timezone=True)
    id_type = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "channel_facts",
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("channel", "name", name=op.f("pk_channel_facts")),
    )
    op.create_table(
        "template_states",
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("code", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("category", sa.String(length=20), server_default="", nullable=False),
        sa.Column("quality", sa.String(length=20), server_default="", nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("channel", "name", "code", name=op.f("pk_template_states")),
    )
    op.create_table(
        "join_codes",
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("servant_id", id_type, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["servant_id"], ["servants.id"], name=op.f("fk_join_codes_servant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_join_codes")),
    )
    op.create_index("ix_join_codes_servant_id", "join_codes", ["servant_id"], unique=False)
    # Columns are added in place, never by recreating the table: that would block all writers on PostgreSQL.
    op.add_column("addresses", sa.Column("alias", sa.String(length=160), nullable=True))
    op.add_column("addresses", sa.Column("heard_at", moment, nullable=True))
    op.add_column("addresses", sa.Column("knocked_at", moment, nullable=True))
    op.add_column("addresses", sa.Column("put_off_on", sa.Date(), nullable=True))
    op.add_column("addresses", sa.Column("no_marketing", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_addresses_alias", "addresses", ["channel", "alias"], unique=False)
    op.create_index("ix_addresses_knocked", "addresses", ["channel", "knocked_at"], unique=False)
    op.add_column("deliveries", sa.Column("fate", sa.String(length=10), nullable=True))
    op.create_index("ix_deliveries_ref", "deliveries", ["channel", "platform_ref"], unique=False)
    op.add_column("servants", sa.Column("channel", sa.String(length=10), nullable=True))
