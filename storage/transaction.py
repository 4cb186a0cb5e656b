"""The transaction that storage functions work in; code outside `storage/` opens it, passes it on and calls nothing."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, CursorResult, Dialect, Executable, ScalarResult

T = TypeVar("T")
Rows = CursorResult[*tuple[Any, ...]]


class Transaction(Protocol):
    """One transaction: the first argument of all storage functions; the function that opened it ends it.

    SQLAlchemy's AsyncConnection is one; `storage/sqlite_writer.py` has another for the writes on SQLite.
    """

    @property
    def dialect(self) -> Dialect: ...

    async def execute(self, statement: Executable, parameters: Any = None) -> Rows: ...

    async def scalar(self, statement: Executable, parameters: Any = None) -> Any: ...

    async def scalars(self, statement: Executable, parameters: Any = None) -> ScalarResult[Any]: ...

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> Rows: ...

    async def run_sync(self, work: Callable[[Connection], T]) -> T: ...
