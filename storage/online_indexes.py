"""Building and dropping indexes in migration steps without blocking writers on PostgreSQL.

Processes of the previous version go on writing meanwhile. The rules for all steps are in docs/operations.md and
enforced by tests/storage/test_online_indexes.py. SQLite has one process, which waits for the migration anyway.
"""

from collections.abc import Sequence

from alembic import op
from sqlalchemy import text


def build_index(
    name: str, table: str, columns: Sequence[str], where: str | None = None, *, unique: bool = False
) -> None:
    """Build an index on a table that may be big, partial if `where` is given.

    It may be unique only if no process of the previous version writes the table.

    The migration step must create nothing else, as it may have to be run again: on PostgreSQL it is outside a
    transaction, so that what was built before a failure stays, and the next run finds it.
    """
    context, condition = op.get_context(), None if where is None else text(where)
    if context.dialect.name != "postgresql":
        op.create_index(name, table, list(columns), unique=unique, sqlite_where=condition)
        return
    with context.autocommit_block():
        if not context.as_sql and _is_invalid(name):
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(
            name,
            table,
            list(columns),
            unique=unique,
            postgresql_concurrently=True,
            if_not_exists=True,
            postgresql_where=condition,
        )


def drop_index(name: str, table: str) -> None:
    """Drop an index that another one has replaced."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        op.drop_index(name, table_name=table)
        return
    with context.autocommit_block():
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def _is_invalid(name: str) -> bool:
    """Whether an earlier build was interrupted: PostgreSQL then leaves an index that is updated but never read.

    Source: PostgreSQL, CREATE INDEX, "Building Indexes Concurrently".
    """
    is_valid = text("select indisvalid from pg_index where indexrelid = to_regclass(:name)")
    return op.get_bind().scalar(is_valid, {"name": name}) is False
