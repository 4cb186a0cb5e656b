"""The officers' console: a nested application at /console/, apart from chats and letterbox."""

from aiohttp import web

from bot.console import cases, channel_status, course, keys, monitor, signin, site


def attach(app: web.Application) -> None:
    """Add the console to the server's application; it reads the shared keys of bot/web/app_keys.py from there."""
    site.nest(app, [signin.routes, cases.routes, keys.routes, monitor.routes, channel_status.routes, course.routes])
