"""Log as JSON lines to standard error: ids and keys, never texts, answers, addresses, names or secrets."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET = re.compile(r"\d{8,10}:[A-Za-z0-9_-]{35}|EAA[A-Za-z0-9]{20,}|(?<=/bot)[^/\s]+")
"""Tokens of the platforms. No leading word boundary, as there is none in "bot123..."."""
PRIVATE = frozenset({"text", "address", "name", "email", "choice", "body", "token", "phone"})


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Last processor before rendering: replace private fields and tokens that slipped through."""
    for key in list(event):
        if key.lower() in PRIVATE:
            event[key] = "[redacted]"
        elif isinstance(event[key], str):
            event[key] = SECRET.sub("[redacted]", event[key])
    return event


def set_up(level: int = logging.INFO) -> None:
    """Send the logs of this program and of its libraries through one formatter."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "aiohttp.access", "aiosqlite", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
