"""Observes every statement that is sent to a database, to count statements or to interrupt one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from storage.database import Database


@contextmanager
def statement_listener(database: Database, listener: Callable[..., None]) -> Iterator[None]:
    """Call `listener` before each statement with SQLAlchemy's arguments: the third is the statement, the fourth its
    parameters."""
    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", listener)
    try:
        yield
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", listener)
