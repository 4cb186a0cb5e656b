"""The officers' console: a nested application at /console/, separate from chats and letterbox."""

from aiohttp import web

from bot.console import (
    account,
    cases,
    channel_status,
    course,
    custody,
    factors,
    keys,
    monitor,
    notebooks,
    recovery,
    signin,
    site,
    succession,
)


def attach(app: web.Application) -> None:
    """Add the console to the server's application, whose shared keys (bot/web/app_keys.py) it reads."""
    recovery.attach(app)
    people = [signin.routes, account.routes, factors.routes, keys.routes, custody.routes, recovery.routes]
    casework = [*people, succession.routes, cases.routes, notebooks.routes]
    site.mount(app, [*casework, monitor.routes, channel_status.routes, course.routes])
