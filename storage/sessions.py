"""Sessions of Integra's processes on PostgreSQL, which each process opens under a name of its own."""

from sqlalchemy import text

from storage import postgres
from storage.database import Transaction

OTHERS = text(
    "select count(*) from pg_stat_activity where datname = current_database() "
    "and starts_with(application_name, :prefix) and application_name <> :own"
)


async def count_of_other_processes(tx: Transaction) -> int:
    """How many sessions other processes have in this database; 0 on SQLite.

    Those of versions that gave no name are not counted.
    """
    if tx.dialect.name != "postgresql":
        return 0
    names = {"prefix": postgres.APPLICATION, "own": postgres.APPLICATION_NAME}
    return int(await tx.scalar(OTHERS, names))
