"""Honest requests to each route of the assembled site, as a starting point for mutations."""

import hashlib
import hmac
import inspect
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from aiohttp import ClientSession, web
from sqlalchemy import insert

from bot.channels.telegram import receiver as telegram_receiver
from bot.channels.webchat import visitors
from bot.channels.whatsapp import webhook as whatsapp_webhook
from bot.console import site
from storage import schema
from storage.confidential import sessions
from tests.attack.model.host import Account
from tests.attack.mutations import Request
from tests.bot.channels.whatsapp import payloads
from tests.fakes.asker import Asker
from tests.fakes.letterbox import Letterbox
from tests.fakes.whatsapp import APP_SECRET, VERIFY_TOKEN
from tests.product import Product
from tests.vectors.reading import vectors

Headers = tuple[tuple[bytes, bytes], ...]
SECRET = "telegram-Secret"
STATIC = ("/static/console/console.js", "/static/letterbox/letterbox.css", "/static/public/chat.js", "/static/vendor/x")
ON_TELEGRAM: Sequence[Any] = (
    {"update_id": 1, "message": {"message_id": 2, "date": 1_795_300_000, "chat": {"id": 3, "type": "private"},
     "from": {"id": 3, "is_bot": False, "first_name": "Ana", "language_code": "es"}, "text": "/start ABC"}},
    {"update_id": 2, "callback_query": {"id": "4", "from": {"id": 3, "is_bot": False, "first_name": "Ana"},
     "data": "menu:today", "chat_instance": "1", "message": {"message_id": 5, "date": 0,
     "chat": {"id": 3, "type": "private"}}}},
    {"update_id": 3, "my_chat_member": {"chat": {"id": 3, "type": "private"}, "from": {"id": 3, "is_bot": False,
     "first_name": "Ana"}, "date": 1, "old_chat_member": {"status": "member", "user": {"id": 9, "is_bot": True,
     "first_name": "b"}}, "new_chat_member": {"status": "kicked", "user": {"id": 9, "is_bot": True, "first_name": "b"},
     "until_date": 0}}},
)  # fmt: skip
IN_THE_CHAT: Sequence[Any] = (
    {"text": "hola", "once": "a-1", "after": 0},
    {"command": "start ABC", "once": "a-2"},
    {"choice": "menu:today", "ref": "1", "once": "a-3", "after": "2"},
    {"long": True, "once": "a-4"},
)


@dataclass
class Correspondence:
    """What a site with one case knows: the asker, the officer's account, a token that is not spent."""

    product: Product
    asker: Asker
    account: Account
    box: Letterbox
    bodies: Mapping[str, Sequence[Any]]

    async def session(self) -> str:
        """A new session of the officer."""
        async with self.product.app.database.write() as tx:
            key, now = self.product.app.secrets.session, self.product.clock()
            return await sessions.begin(tx, key, self.account.id, "totp", now)


async def correspond(product: Product, client: ClientSession) -> Correspondence:
    """Adopt a unit with one officer, and let an asker write and be answered."""
    app = product.app
    box = Letterbox(app.database, app.library, product.address, app.installation, client, now=product.clock())
    await box.publish()
    account = Account.with_words(box.unit.officer, "siete palabras")
    async with app.database.write() as tx:
        await tx.execute(insert(schema.officers).values(account.row(box.unit, is_head=True)))
    asker = await box.submit_query()
    await box.answer("No.")
    await box.read(asker)
    fresh = Asker(box.today).posting(box.unit, await box.token())
    locator = {"locator": asker.locator}
    reply = asker.reply_body(box.unit)
    seen = {"locator": asker.locator, **{name: reply[name] for name in ("box", "version", "signature")}}
    bodies = {"/c/cases": [fresh], "/c/thread": [locator], "/c/letters": [{**locator, **reply}], "/c/seen": [seen]}
    return Correspondence(product, asker, account, box, bodies)


def pool() -> dict[str, list[Any]]:
    """What the protocol's vectors hold, by the name of the field; unnamed parts under an empty name."""
    found: dict[str, list[Any]] = {"": []}
    for vector in vectors():
        for name, value in _members(vector["args"]):
            if len(json.dumps(value)) < 20_000:
                found.setdefault(name, []).append(value)
                found[""].append(value)
    return found


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """All named parts of a value, also of the texts in it that are JSON."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        value = _parsed(value)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield name, inner
        yield from _members(inner)
    for inner in value if isinstance(value, list) else ():
        yield from _members(inner)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # some vectors are no JSON, or too deep
        return None


def honest(known: Correspondence, values: Mapping[str, Sequence[Any]], session: str, chance: Random) -> Request:
    """A request to one of the routes, with all that its page would send; `values` is what `pool` gives."""
    route = chance.choice([*known.product.app.web.router.routes()])
    assert route.resource is not None
    path = re.sub(
        r"\{[^}]*\}", lambda _: chance.choice((known.asker.case, "x", "console.js")), route.resource.canonical
    )
    if path.startswith("/static"):
        path = chance.choice(STATIC)
    method = route.method if route.method != "*" else "GET"
    headers = _headers(known, session, method, path)
    if method != "POST":
        return Request(method.encode(), (path + chance.choice(QUERIES)).encode(), headers)
    if path == whatsapp_webhook.PATH:
        return Request(b"POST", path.encode(), headers, chance.choice(list(_on_whatsapp())), sign=_signed)
    return Request(b"POST", path.encode(), headers, _body(known, route, values, chance))


QUERIES = (
    *(
        "",
        "",
        "?lang=en",
        "?lang=es&all=1",
        "?code=ABC",
        "?after=3",
        "?institucion=LEON",
        "?from=1",
        "?u=x",
        "?cookie=missing",
    ),
    f"?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=1",
)


def _headers(known: Correspondence, session: str, method: str, path: str) -> Headers:
    csrf = hmac.new(known.product.app.secrets.csrf, b"gate|g", hashlib.sha256).hexdigest()
    chat = visitors.new_cookie(known.product.app.secrets.chat)
    given = {
        "Host": known.product.address.removeprefix("http://"),
        "Cookie": f"session={session}; gate=g; lang=es; {visitors.COOKIE}={chat}",
        "Accept": "application/json" if method == "POST" else "text/html",
        "Accept-Language": "es-MX,es;q=0.9",
        "Accept-Encoding": "gzip, br",
        "Origin": known.product.address,
        "Sec-Fetch-Site": "same-origin",
        "X-Forwarded-For": "10.0.0.7",
        telegram_receiver.SECRET_HEADER: SECRET,
    }
    given |= {"Content-Type": "application/json", "X-CSRF": csrf} if method == "POST" else {"If-None-Match": '"a"'}
    given |= {"Last-Event-ID": "1"} if path == "/chat/events" else {}
    return tuple((name.encode(), value.encode()) for name, value in given.items())


def _signed(body: bytes) -> Headers:
    """WhatsApp's signature, so that a mutated body is read."""
    digest = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return ((whatsapp_webhook.SIGNATURE_HEADER.encode(), f"sha256={digest}".encode()),)


def _on_whatsapp() -> Iterator[Any]:
    yield from (raw for raw, _ in payloads.ROWS.values())


def _body(known: Correspondence, route: web.AbstractRoute, values: Mapping[str, Sequence[Any]], chance: Random) -> Any:
    assert route.resource is not None
    path = route.resource.canonical
    if path == telegram_receiver.PATH:
        return chance.choice(ON_TELEGRAM)
    if path == "/chat/say":
        return chance.choice(IN_THE_CHAT)
    if path in known.bodies:
        return chance.choice(known.bodies[path])
    return {name: _value(name, field, values, chance) for name, field in _fields(route).items()}


def _fields(route: web.AbstractRoute) -> Mapping[str, Any]:
    """The fields of the model that a handler of the console reads, as a JSON schema has them; of all routes that read
    one, also of those that come."""
    found = re.search(r"posted_json\(request, (\w+)\)", inspect.getsource(route.handler))
    if found is None:
        return {}
    model = inspect.getmodule(route.handler).__dict__[found[1]]
    assert issubclass(model, site.PostedModel)
    fields: Mapping[str, Any] = model.model_json_schema().get("properties", {})
    return fields


def _value(name: str, field: Mapping[str, Any], values: Mapping[str, Sequence[Any]], chance: Random) -> Any:
    """A value that has the type of the field, mostly one that the vectors have under its name."""
    if values.get(name) and chance.random() < 0.8:
        return chance.choice(values[name])
    kinds = {field.get("type"), *(one.get("type") for one in field.get("anyOf", ()))}
    if "string" in kinds:
        return secrets.token_urlsafe(32)[: field.get("maxLength", 43)]
    return 1 if "integer" in kinds else [] if "array" in kinds else chance.choice(values["list"])
