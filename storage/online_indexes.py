"""Indexes in steps of the schema, which on PostgreSQL hold up nobody: processes of the version before go on writing.

The rule for all steps stands in docs/operations.md; tests/storage/test_online_indexes.py holds it. SQLite has one process, which
waits for the schema anyway.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text


def build_index(name: str, table: str, columns: Sequence[str], where: str | None = None) -> None:
    """Build an index on a table that may be big; in a step that makes nothing else, as it may have to begin again.

    `where`: of these rows alone. On PostgreSQL it is outside a transaction: what was built before a failure stays, and
    is found by the next try.
    """
    context, of = op.get_context(), None if where is None else text(where)
    if context.dialect.name != "postgresql":
        op.create_index(name, table, list(columns), sqlite_where=of)
        return
    with context.autocommit_block():
        if not context.as_sql and _is_broken(name):
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(
            name, table, list(columns), postgresql_concurrently=True, if_not_exists=True, postgresql_where=of
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index in whose place another one stands by now."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.drop_index(name, table_name=table)
        return
    with context.autocommit_block():
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def _is_broken(name: str) -> bool:
    """Whether an earlier try broke off: PostgreSQL then leaves an index that is written and never read.

    Source: PostgreSQL, CREATE INDEX, "Building Indexes Concurrently".
    """
    is_valid = text("select indisvalid from pg_index where indexrelid = to_regclass(:name)")
    return op.get_bind().scalar(is_valid, {"name": name}) is False
