"""Webhook bodies in the format of Meta's webhook reference, and their signature.

test_fake_whatsapp.py compares them with samples (`whatsapp-webhook-samples.json` in ../shared/specs) where present.
"""

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
    """A user as Meta identifies them; `phone` is empty where a username hides it."""

    phone: str
    user_id: str
    name: str
    username: str = ""

    def contact(self, *, with_username: bool = True) -> Values:
        profile = {"name": self.name} | _given(username=self.username if with_username else "")
        return {"profile": profile} | _given(wa_id=self.phone, user_id=self.user_id)


# Bodies


def body(field: str, value: Values, at: int) -> Values:
    """A body with one entry and one change; management fields carry their time on the entry."""
    entry: Values = {"id": BUSINESS_ACCOUNT_ID}
    if "metadata" not in value:
        entry["time"] = at
    return _posted([entry | {"changes": [{"field": field, "value": value}]}])


def batched(bodies: Iterable[Values]) -> Values:
    """One body for several: consecutive changes of a kind are merged, contacts reversed, over two entries."""
    changes = [change for posted in bodies for entry in posted["entry"] for change in entry["changes"]]
    merged = [_merged(list(group)) for _, group in groupby(changes, _kind)]
    half = (len(merged) + 1) // 2
    parts = [part for part in (merged[:half], merged[half:]) if part]
    return _posted([{"id": BUSINESS_ACCOUNT_ID, "changes": part} for part in parts])


def raw(posted: Mapping[str, Any]) -> bytes:
    """The bytes that Meta posts and signs: JSON with non-ASCII characters and slashes escaped."""
    return json.dumps(posted).replace("/", "\\/").encode()


def signature(content: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def address(url: str) -> str:
    """The webhook URL; `url` is the product's base URL or already the webhook's."""
    return url.rstrip("/").removesuffix(PATH) + PATH


async def post(session: aiohttp.ClientSession, url: str, content: bytes, secret: str = APP_SECRET) -> int:
    """Post a signed body, valid or not, to the product at `url`; returns the response status."""
    headers = {"Content-Type": "application/json", "X-Hub-Signature-256": signature(content, secret)}
    async with session.post(address(url), data=content, headers=headers) as answer:
        return answer.status


async def verify(url: str, token: str = VERIFY_TOKEN, challenge: str = "1158201444") -> tuple[int, str]:
    """Send Meta's verification request to the product; returns status and text of the response."""
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
    async with aiohttp.ClientSession() as session, session.get(address(url), params=query) as answer:
        return answer.status, await answer.text()


# Values of changes


def incoming(who: Identity, message: Values) -> Values:
    """Field `messages`: a message from a user."""
    sender = _given(**{"from": who.phone, "from_user_id": who.user_id})
    return _about_number(contacts=[who.contact()], messages=[sender | message])


def moved(old: Identity, new: Identity, wamid: str, at: int) -> Values:
    """A change of number: the old number is a member only if it was known, the old id appears only in the text."""
    kind = "user_changed_user_id" if old.user_id else "user_changed_number"
    before, after = (old.user_id, new.user_id) if old.user_id else (old.phone, new.phone)
    system = {"body": f"User {old.name} changed from {before} to {after}", "type": kind}
    system |= _given(wa_id=new.phone, user_id=new.user_id)
    message = {"id": wamid, "timestamp": str(at), "type": "system", "system": system}
    return _about_number(messages=[_given(**{"from": old.phone}) | message])


def new_user_id(old: Identity, new: Identity, at: int) -> Values:
    """Field `user_id_update`: the same change in a field that can be subscribed to."""
    update = {"detail": f"User id for {old.name} has been updated.", "timestamp": str(at)}
    update |= _given(wa_id=new.phone, user_id={"previous": old.user_id, "current": new.user_id})
    contact = {"profile": {"name": new.name}} | _given(wa_id=new.phone)
    return _about_number(contacts=[contact], user_id_update=[update])


def preference(who: Identity, value: str, at: int) -> Values:
    """Field `user_preferences`; its timestamp is a number, unlike the others."""
    detail = {"stop": "User requested to stop marketing messages", "resume": "User requested to resume them"}[value]
    change = {"detail": detail, "category": "marketing_messages", "value": value, "timestamp": at}
    entry = _given(wa_id=who.phone, user_id=who.user_id) | change
    return _about_number(contacts=[who.contact()], user_preferences=[entry])


def status(
    who: Identity, wamid: str, status: str, at: int, *, by_id: bool, tracker: str, category: str, code: int | None
) -> Values:
    """Field `messages`: a message status. `failed` has no contacts, and no user id if addressed by number."""
    value: Values = {"id": wamid, "status": status, "timestamp": str(at)}
    value |= _given(recipient_id=who.phone, biz_opaque_callback_data=tracker)
    if by_id or status != "failed":
        value |= _given(recipient_user_id=who.user_id)
    if status == "failed":
        return _about_number(statuses=[value | {"errors": [error(131026 if code is None else code)]}])
    if status in ("sent", "delivered"):
        kind = "free_customer_service" if category == "service" else "regular"
        price = {"billable": kind == "regular", "pricing_model": "PMP", "category": category, "type": kind}
        value["pricing"] = price
    return _about_number(contacts=[who.contact(with_username=status != "sent")], statuses=[value])


def fault(code: int) -> Values:
    """Field `messages`: an error that concerns the phone number as a whole."""
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
    """Changes of equal kind may be merged: messages with messages, statuses with statuses."""
    items = next((name for name in ("messages", "statuses") if name in change["value"]), "")
    return change["field"], items or repr(change)


def _merged(changes: list[Values]) -> Values:
    """Merge changes of one kind; each contact occurs once, at another position than its message."""
    (_, items), first = _kind(changes[0]), changes[0]
    if len(changes) == 1:
        return first
    contacts: list[Values] = []
    for contact in (contact for change in changes for contact in change["value"].get("contacts", [])):
        if contact not in contacts:
            contacts.insert(0, contact)
    value = {**first["value"], items: [item for change in changes for item in change["value"][items]]}
    return {"field": first["field"], "value": value | _given(contacts=contacts)}
