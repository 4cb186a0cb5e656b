"""Server-rendered pages: one Jinja environment whose texts come from the message catalogs; shared response headers."""

from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from content.library import Library

PACKAGE = Path(__file__).parents[1]
TEMPLATES = PACKAGE / "templates"
STATIC = PACKAGE / "static"

LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The Content-Security-Policy of every page: nothing from another origin, nothing inline, and no script makes markup
or code of a text (Trusted Types), in browsers that know them."""

CONSOLE_POLICY = POLICY.replace("trusted-types 'none'", "trusted-types integra-console")
"""In the console one script may: bot/static/console/markup.js, which takes pages of ours and cleans them."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CONSOLE_HEADERS = {**HEADERS, "Content-Security-Policy": CONSOLE_POLICY}

ENVIRONMENT = Environment(  # shared by all Pages, since it caches compiled templates
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Pages:
    """Renders `bot/templates/*.html`; in a template, `t("area.key", name=value)` is a phrase of the page's language."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def render(self, template: str, language: str, **values: object) -> str:
        """Return the page as text. Raises jinja2.TemplateError: the template itself is faulty."""

        def t(key: str, /, **filling: str | int) -> str:
            return self._library.phrases.plain(language, key, filling)

        return ENVIRONMENT.get_template(template).render(language=language, t=t, **values)

    def response(self, template: str, language: str, *, status: int = 200, **values: object) -> web.Response:
        """Return the page as a response with HEADERS."""
        return html_response(self.render(template, language, **values), status=status)


def html_response(text: str, *, status: int = 200) -> web.Response:
    """Return HTML with HEADERS."""
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def preferred_language(request: web.Request) -> str:
    """Return es or en: from `?lang=`, else the cookie `lang`, else Accept-Language, else Spanish."""
    for language in (request.query.get("lang", ""), request.cookies.get("lang", "")):
        if language in ("es", "en"):
            return language
    for entry in request.headers.get("Accept-Language", "").lower().split(","):
        language = entry.strip()[:2]
        if language in ("es", "en"):
            return language
    return "es"


def remember_language(request: web.Request, response: web.StreamResponse) -> None:
    """Store the language chosen by `?lang=` in the cookie `lang` for a year."""
    language = request.query.get("lang", "")
    if language in ("es", "en"):
        response.set_cookie("lang", language, path="/", samesite="Lax", max_age=LANGUAGE_COOKIE_SECONDS)
