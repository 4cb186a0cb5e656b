"""shared rate limits and notifications"""

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CALL = """
CREATE OR REPLACE FUNCTION integra_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify(TG_ARGV[0], ''); RETURN NULL; END $$
"""


def upgrade() -> None:
    op.create_table(
        "paces",
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("next_at", sa.Float(), server_default="0", nullable=False),
        sa.Column("held_until", sa.Float(), server_default="0", nullable=False),
        sa.Column("factor", sa.Float(), server_default="1", nullable=False),
        sa.Column("refused_at", sa.Float(), server_default="0", nullable=False),
        sa.Column("refusals", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_paces")),
    )
    # An id is sent along with a message and returned up to a week later: SQLite must never reuse one.
    keep = {"sqlite_autoincrement": True}
    is_sqlite = op.get_context().dialect.name == "sqlite"
    recreate = "always" if is_sqlite else "never"
    with op.batch_alter_table("deliveries", recreate=recreate, table_kwargs=keep) as table:
        table.drop_index("ix_deliveries_due")
        table.create_index("ix_deliveries_due", ["channel", "state", "priority", "due_at", "id"], unique=False)
    if not is_sqlite:
        # Notified once per transaction, at its commit: without an extra statement, hence without a round trip.
        op.execute(CALL)
        for table in ("deliveries", "updates"):
            op.execute(
                f"CREATE TRIGGER integra_call AFTER INSERT ON {table} FOR EACH STATEMENT "
                f"EXECUTE FUNCTION integra_call('integra_{table}')"
            )
