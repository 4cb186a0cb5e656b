"""The officers' console: a nested application at /console/, separate from chats and letterbox."""

from aiohttp import web

from bot.console import account, cases, channel_status, course, keys, monitor, notebooks, signin, site, succession


def attach(app: web.Application) -> None:
    """Add the console to the server's application, whose shared keys (bot/web/app_keys.py) it reads."""
    casework = [signin.routes, account.routes, cases.routes, keys.routes, notebooks.routes, succession.routes]
    site.mount(app, [*casework, monitor.routes, channel_status.routes, course.routes])
