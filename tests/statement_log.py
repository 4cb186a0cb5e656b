"""Every statement that goes to a database, told to whoever wants to count or to stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from storage.database import Database


@contextmanager
def statement_listener(database: Database, note: Callable[..., None]) -> Iterator[None]:
    """`note` gets what SQLAlchemy tells: the statement is its third argument, its values the fourth."""
    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)
