"""plain names for tables, columns and indexes"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Renaming breaks processes of the version before, which docs/operations.md rules out for a step. It was taken before
# there was any installation with data, and is exempt in tests/storage/test_online_indexes.py.

TABLES = {
    "kept_until": "aggregation_state",
    "kept_answers": "answer_aggregates",
    "kept_prompts": "prompt_aggregates",
    "kept_last": "last_answer_days",
    "paces": "rate_limits",
    "bubbles": "transcript_messages",
}
COLUMNS = (
    ("addresses", "knocked_at", "template_sent_at"),
    ("addresses", "put_off_on", "deferred_on"),
    ("deliveries", "fate", "platform_status"),
    ("cases", "road", "origin"),
)
INDEXES = (  # table, old name, new name, columns
    ("addresses", "ix_addresses_knocked", "ix_addresses_template_sent", ("channel", "template_sent_at")),
    ("addresses", "ix_addresses_put_off", "ix_addresses_deferred", ("channel", "deferred_on")),
    ("deliveries", "ix_deliveries_person", "ix_deliveries_recipient", ("address", "state", "channel")),
    ("transcript_messages", "ix_bubbles_address", "ix_transcript_messages_address", ("address", "id")),
)
CONSTRAINTS = (  # on PostgreSQL, besides the primary keys: table after the renaming, old name, new name
    ("transcript_messages", "uq_bubbles_token", "uq_transcript_messages_token"),
    ("last_answer_days", "fk_kept_last_servant_id", "fk_last_answer_days_servant_id"),
)
FACTS = {"deaf": "not_receiving", "people": "recipient_limit"}


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        _rename_on_sqlite()
    else:
        _rename_on_postgresql()
    for old, new in FACTS.items():
        op.execute(f"UPDATE channel_facts SET name = '{new}' WHERE name = '{old}'")  # noqa: S608 - constants above


def _rename_on_sqlite() -> None:
    connection = op.get_bind()
    for old, new in TABLES.items():
        # SQLite cannot rename a constraint: the table is made again from its own definition.
        definition = connection.scalar(
            sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": old}
        )
        op.execute(re.sub(rf"(?<![a-z]){old}(?![a-z])", new, definition))
        op.execute(f"INSERT INTO {new} SELECT * FROM {old}")  # noqa: S608 - constants above
        op.drop_table(old)
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for table, old, new, columns in INDEXES:
        if table not in TABLES.values():  # else it went with the table
            op.drop_index(old, table_name=table)
        where = sa.text("deferred_on IS NOT NULL") if new == "ix_addresses_deferred" else None
        op.create_index(new, table, list(columns), sqlite_where=where)


def _rename_on_postgresql() -> None:
    for old, new in TABLES.items():
        op.rename_table(old, new)
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT pk_{old} TO pk_{new}")
    for table, old, new in CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    op.execute("ALTER SEQUENCE bubbles_id_seq RENAME TO transcript_messages_id_seq")
    for table, old, new in COLUMNS:
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    for _, old, new, _ in INDEXES:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")
    op.execute("ALTER FUNCTION integra_call() RENAME TO integra_notify")
    for table in ("deliveries", "updates"):
        op.execute(f"ALTER TRIGGER integra_call ON {table} RENAME TO integra_notify")
