"""Checks of our privileges in the database, at the start instead of at the first message of a servant."""

from sqlalchemy import func, literal, select, text

from storage.database import Database, PermissionDenied, Transaction
from storage.schema import metadata

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def check(database: Database) -> None:
    """Check that the database accepts writes, and on PostgreSQL that we have all privileges on every table.

    Raises PermissionDenied, DatabaseUnavailable, or the database's own error where it is read-only.
    """
    async with database.write() as tx:
        await check_privileges(tx)
        await tx.execute(text("update alembic_version set version_num = version_num"))


async def check_privileges(tx: Transaction) -> None:
    """Check that on PostgreSQL we have all privileges on every table of the newest schema. Raises PermissionDenied."""
    if tx.dialect.name == "sqlite":
        return
    names = sorted(metadata.tables)
    checks = [func.has_table_privilege(literal(name), privilege) for name in names for privilege in PRIVILEGES]
    granted = list((await tx.execute(select(*checks))).one())
    if not all(granted):
        index = granted.index(False)
        privilege, table = PRIVILEGES[index % len(PRIVILEGES)], names[index // len(PRIVILEGES)]
        raise PermissionDenied(f"no right to {privilege} in {table}")


async def check_may_create(tx: Transaction) -> None:
    """Check that on PostgreSQL we may create tables in the schema that we use. Raises PermissionDenied."""
    if tx.dialect.name == "sqlite":
        return
    schema = func.current_schema()
    name, may_create = (await tx.execute(select(schema, func.has_schema_privilege(schema, "CREATE")))).one()
    if name is None:
        raise PermissionDenied("it may not use any schema there")
    if not may_create:
        raise PermissionDenied(f"no right to CREATE in schema {name}")


async def is_read_only(tx: Transaction) -> bool:
    """PostgreSQL: whether the server responds but accepts no writes (a replica, or set to read-only)."""
    if tx.dialect.name == "sqlite":
        return False
    return str(await tx.scalar(select(func.current_setting("transaction_read_only")))) == "on"
