"""New databases on the PostgreSQL server of the tests."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

PASSWORD = "hunter2"  # the server asks for none; errors must not show it


async def execute(socket: Path, statement: str, name: str = "postgres") -> None:
    connection = await asyncpg.connect(host=str(socket), user="test", database=name)
    await connection.execute(statement)
    await connection.close()


@contextmanager
def new_database(socket: Path, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, without tables or with those of a template; it is dropped at the end."""
    name = f"s{uuid.uuid4().hex[:12]}"
    asyncio.run(execute(socket, f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield f"postgresql+asyncpg://test:{PASSWORD}@/{name}?host={socket}"
    asyncio.run(execute(socket, f"DROP DATABASE {name} WITH (FORCE)"))
