"""Server-rendered pages: one template environment whose words come from the message catalogs."""

from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from content.library import Library

HERE = Path(__file__).parents[1]
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Sent with every page: nothing from a third origin, nothing inline."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

ENVIRONMENT = Environment(  # one for all: it keeps the templates that it has compiled
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Pages:
    """Renders `bot/templates/*.html`; in a template, `t("area.key", name=value)` is a phrase."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def render(self, template: str, language: str, **values: object) -> str:
        """The page as text. Raises jinja2.TemplateError: a template's own fault."""

        def t(key: str, /, **filling: str | int) -> str:
            return self._library.phrases.plain(language, key, filling)

        return ENVIRONMENT.get_template(template).render(language=language, t=t, **values)

    def response(self, template: str, language: str, *, status: int = 200, **values: object) -> web.Response:
        return html(self.render(template, language, **values), status=status)


def html(text: str, *, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def language_of(request: web.Request) -> str:
    """The reader's language: `?lang=`, then the cookie `lang`, then the browser's wish; Spanish first."""
    for wish in (request.query.get("lang", ""), request.cookies.get("lang", "")):
        if wish in ("es", "en"):
            return wish
    for wish in request.headers.get("Accept-Language", "").lower().split(","):
        if wish.strip()[:2] in ("es", "en"):
            return wish.strip()[:2]
    return "es"
