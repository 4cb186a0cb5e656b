"""The bodies that Meta posts, as its webhook reference has them, and how they are signed."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import aiohttp

from tests.fakes.whatsapp_rules import CODES

PHONE_NUMBER_ID = "106540352242922"
BUSINESS_ACCOUNT_ID = "102290129340398"
DISPLAY_NUMBER = "524770000000"
APP_SECRET = "0123456789abcdef0123456789abcdef"
VERIFY_TOKEN = "a-word-that-only-both-sides-know"
PATH = "/webhooks/whatsapp"

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What Meta tells of a person; `phone` is empty where it is hidden behind a username."""

    phone: str
    user_id: str
    name: str
    username: str = ""

    def contact(self, *, with_username: bool = True) -> Values:
        profile = {"name": self.name} | _given(username=self.username if with_username else "")
        return {"profile": profile} | _given(wa_id=self.phone, user_id=self.user_id)


# Bodies


def body(field: str, value: Values, at: int) -> Values:
    """One entry with one change; management fields carry their hour on the entry."""
    entry: Values = {"id": BUSINESS_ACCOUNT_ID}
    if "metadata" not in value:
        entry["time"] = at
    return _posted([entry | {"changes": [{"field": field, "value": value}]}])


def batched(bodies: Iterable[Values]) -> Values:
    """All in one: changes of a kind are joined, their contacts in another order, and spread over two entries."""
    changes = [change for posted in bodies for entry in posted["entry"] for change in entry["changes"]]
    joined = [_joined(list(alike)) for _, alike in groupby(changes, _kind)]
    half = (len(joined) + 1) // 2
    spread = [part for part in (joined[:half], joined[half:]) if part]
    return _posted([{"id": BUSINESS_ACCOUNT_ID, "changes": part} for part in spread])


def raw(posted: Mapping[str, Any]) -> bytes:
    """As Meta writes it: everything beyond ASCII escaped, slashes too. The signature is over these bytes."""
    return json.dumps(posted).replace("/", "\\/").encode()


def signature(content: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def address(url: str) -> str:
    """Where webhooks go: `url` is the product's own address, or already theirs."""
    return url.rstrip("/").removesuffix(PATH) + PATH


async def post(session: aiohttp.ClientSession, url: str, content: bytes, secret: str = APP_SECRET) -> int:
    """One signed body, whatever it is, for the product at `url`; gives the status answered."""
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(content, secret)}
    async with session.post(address(url), data=content, headers=headers) as answer:
        return answer.status


async def verify(url: str, token: str = VERIFY_TOKEN, challenge: str = "1158201444") -> tuple[int, str]:
    """Ask as Meta does when the product's address is entered; gives status and text answered."""
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    async with aiohttp.ClientSession() as session, session.get(address(url), params=query) as answer:
        return answer.status, await answer.text()


# What a change says


def incoming(who: Identity, message: Values) -> Values:
    sender = _given(**{"from": who.phone, "from_user_id": who.user_id})
    return _about_number(contacts=[who.contact()], messages=[sender | message])


def moved(old: Identity, new: Identity, wamid: str, at: int) -> Values:
    """A new number: the message names its old one only where that was known, its old id only in the sentence."""
    kind = "user_changed_user_id" if old.user_id else "user_changed_number"
    before, after = (old.user_id, new.user_id) if old.user_id else (old.phone, new.phone)
    system = {"body": f"User {old.name} changed from {before} to {after}", "type": kind}
    system |= _given(wa_id=new.phone, user_id=new.user_id)
    message = {"id": wamid, "timestamp": str(at), "type": "system", "system": system}
    return _about_number(messages=[_given(**{"from": old.phone}) | message])


def new_user_id(old: Identity, new: Identity, at: int) -> Values:
    """Field `user_id_update`: the same news in its other, subscribable shape."""
    update = {"detail": f"User id for {old.name} has been updated.", "timestamp": str(at)}
    update |= _given(wa_id=new.phone, user_id={"previous": old.user_id, "current": new.user_id})
    contact = {"profile": {"name": new.name}} | _given(wa_id=new.phone)
    return _about_number(contacts=[contact], user_id_update=[update])


def preference(who: Identity, value: str, at: int) -> Values:
    """Field `user_preferences`; its timestamp is a number, unlike the others."""
    detail = {"stop": "User requested to stop marketing messages", "resume": "User requested to resume them"}[value]
    said = {"detail": detail, "category": "marketing_messages", "value": value, "timestamp": at}
    told = _given(wa_id=who.phone, user_id=who.user_id) | said
    return _about_number(contacts=[who.contact()], user_preferences=[told])


def status(
    who: Identity, wamid: str, fate: str, at: int, *, by_id: bool, tracker: str, category: str, code: int | None
) -> Values:
    """`failed` comes without contacts, and without the id of whom the message was addressed by number."""
    said: Values = {"id": wamid, "status": fate, "timestamp": str(at)}
    said |= _given(recipient_id=who.phone, biz_opaque_callback_data=tracker)
    if by_id or fate != "failed":
        said |= _given(recipient_user_id=who.user_id)
    if fate == "failed":
        return _about_number(statuses=[said | {"errors": [error(131026 if code is None else code)]}])
    if fate in ("sent", "delivered"):
        kind = "free_customer_service" if category == "service" else "regular"
        price = {"billable": kind == "regular", "pricing_model": "PMP", "category": category, "type": kind}
        said["pricing"] = price
    return _about_number(contacts=[who.contact(with_username=fate != "sent")], statuses=[said])


def fault(code: int) -> Values:
    """Something that concerns the whole number."""
    return _about_number(errors=[error(code)])


def error(code: int) -> Values:
    _, title = CODES[code]
    href = "/documentation/business-messaging/whatsapp/support/error-codes"
    return {"code": code, "title": title, "message": title, "error_data": {"details": title}, "href": href}


def _about_number(**members: Any) -> Values:
    metadata = {"display_phone_number": DISPLAY_NUMBER, "phone_number_id": PHONE_NUMBER_ID}
    return {"messaging_product": "whatsapp", "metadata": metadata} | members


def _posted(entries: list[Values]) -> Values:
    return {"object": "whatsapp_business_account", "entry": entries}


def _given(**members: Any) -> Values:
    return {name: value for name, value in members.items() if value}


def _kind(change: Mapping[str, Any]) -> tuple[str, str]:
    """What may stand in one change together: messages with messages, statuses with statuses."""
    items = next((name for name in ("messages", "statuses") if name in change["value"]), "")
    return change["field"], items or repr(change)


def _joined(changes: list[Values]) -> Values:
    """One change for several of one kind; a contact stands there once, and not where its message stands."""
    (_, items), first = _kind(changes[0]), changes[0]
    if len(changes) == 1:
        return first
    contacts: list[Values] = []
    for contact in (contact for change in changes for contact in change["value"].get("contacts", [])):
        if contact not in contacts:
            contacts.insert(0, contact)
    value = {**first["value"], items: [item for change in changes for item in change["value"][items]]}
    return {"field": first["field"], "value": value | _given(contacts=contacts)}
