"""Payloads of WhatsApp's webhook, our own and the platform's samples, with the events expected from each."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.channels.events import AccountEffect, PlatformEvent, Receipt, UnreadableEvent
from bot.channels.whatsapp.fields import UNRECORDED
from handlers.message import Update

SPEC = Path(__file__).resolve().parents[4].parent / "shared" / "specs" / "whatsapp-webhook-samples.json"
SPEC_MISSING = f"{SPEC.name} NOT FOUND: WhatsApp's webhooks are checked against our own rows only"

NUMBER_ID = "106540352242922"
WROTE_AT = 1_795_300_000
USER, OTHER_USER, NEW_USER = "MX.13491208655302741918", "MX.13500000000000000001", "MX.99991208655302741918"
PHONE, OTHER_PHONE, NEW_PHONE = "5214771234567", "524770000001", "5214779999999"
ANA = {"profile": {"name": "Ana"}, "wa_id": PHONE, "user_id": USER}
LUIS = {"profile": {"name": "Luis"}, "wa_id": OTHER_PHONE, "user_id": OTHER_USER}

Json = dict[str, Any]


def body(*changes: Json, **entry: Any) -> Json:
    """A webhook's body with one entry."""
    return {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", **entry, "changes": [*changes]}]}


def change(field: str = "messages", **value: Any) -> Json:
    """One change, with our number's id in its metadata."""
    metadata = {"metadata": {"display_phone_number": "524770000000", "phone_number_id": NUMBER_ID}}
    return {"field": field, "value": {"messaging_product": "whatsapp", **metadata, **value}}


def message(kind: str = "text", ident: Any = "wamid.IN1", /, **content: Any) -> Json:
    """A message from Ana; a member that is None is left out."""
    members = {"from": PHONE, "from_user_id": USER, "id": ident, "timestamp": str(WROTE_AT), "type": kind, **content}
    return {name: value for name, value in members.items() if value is not None}


def text(typed: str = "hola", ident: Any = "wamid.IN1", /, **content: Any) -> Json:
    return message("text", ident, **{"text": {"body": typed}, **content})


def status(kind: str = "delivered", ident: str = "wamid.OUT1", **content: Any) -> Json:
    return {"id": ident, "status": kind, "timestamp": str(WROTE_AT), "recipient_id": PHONE, **content}


def incoming(*messages: Any, contacts: Sequence[Any] = (ANA,)) -> Json:
    return body(change(contacts=[*contacts], messages=[*messages]))


def status_updates(*statuses: Any) -> Json:
    return body(change(statuses=[*statuses]))


def reply(kind: str, **inner: Any) -> Json:
    return incoming(message("interactive", interactive={"type": kind, kind: {"title": "Sí", **inner}}))


def system(kind: str, **inner: Any) -> Json:
    """A system message. It comes without contacts, and with the old number."""
    note = message("system", from_user_id=None, system={"body": "User Ana changed", "type": kind, **inner})
    return body(change(messages=[note]))


def preference(value: Any, category: str = "marketing_messages", **content: Any) -> Json:
    item = {"wa_id": PHONE, "category": category, "value": value, "timestamp": WROTE_AT, "detail": "...", **content}
    return body(change("user_preferences", contacts=[ANA], user_preferences=[item]))


def template(field: str, **value: Any) -> Json:
    identity = {"message_template_id": 7, "message_template_name": "pregunta", "message_template_language": "es_MX"}
    return body({"field": field, "value": {**identity, **value}}, time=WROTE_AT)


def account(field: str, **value: Any) -> Json:
    return body({"field": field, "value": value}, time=WROTE_AT)


FILE = {"id": "1003383421387256", "mime_type": "image/jpeg", "sha256": "SfInY0gGKTsJlUWbwxC1k"}
CARD = {"name": {"formatted_name": "Luis"}, "phones": [{"phone": "+52 477 000 0001", "wa_id": OTHER_PHONE}]}
ERROR = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24 hours"}}
RESTRICTION = [
    {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1},
    {"restriction_type": "OTHER"},
]
CHANGED_IDS = f"User Ana changed from {USER} to {NEW_USER}"

ROWS: dict[str, tuple[Json, str]] = {
    # messages and presses
    "text": (incoming(text()), "text"),
    "text by phone only": (incoming(text(from_user_id=None), contacts=[{"wa_id": PHONE}]), "text"),
    "text by user id only": (incoming(text(**{"from": None}), contacts=[{"user_id": USER}]), "text"),
    "text without contacts": (body(change(messages=[text()])), "text"),
    "text of an advertisement": (incoming(text(referral={"source_type": "ad", "body": "..."})), "text"),
    "text of two people": (incoming(text(), text("va", "wamid.IN2", **{"from": OTHER_PHONE})), "text, text"),
    "long text": (incoming(text("secreto " * 40)), "long_text"),
    "command": (incoming(text("/hoy")), "command hoy"),
    "text that is not a string": (incoming(message(text={"body": 7})), "unreadable: text is not a string"),
    "text that is missing": (incoming(message()), "unreadable: text is not a string"),
    "quick reply of a template": (
        incoming(message("button", button={"payload": "q:1:a", "text": "A"})),
        "choice q:1:a",
    ),
    "quick reply without payload": (incoming(message("button", button={"text": "A"})), "attachment"),
    "reply button": (reply("button_reply", id="q:1:a"), "choice q:1:a"),
    "list": (reply("list_reply", id="q:1:a", description="..."), "choice q:1:a"),
    "reply button without id": (reply("button_reply"), "attachment"),
    "interactive with errors only": (incoming(message("interactive", errors=[ERROR])), "attachment"),
    "form": (reply("nfm_reply", response_json='{"secreto": 1}', name="flow"), "attachment"),
    "image": (incoming(message("image", image={**FILE, "caption": "secreto"})), "attachment"),
    "video": (incoming(message("video", video=FILE)), "attachment"),
    "document": (incoming(message("document", document={**FILE, "filename": "secreto.pdf"})), "attachment"),
    "voice": (incoming(message("audio", audio={**FILE, "voice": True})), "attachment"),
    "sticker": (incoming(message("sticker", sticker={**FILE, "animated": True})), "attachment"),
    "location": (incoming(message("location", location={"latitude": 21.0, "longitude": -101.2})), "attachment"),
    "contact card": (incoming(message("contacts", contacts=[CARD])), "attachment"),
    "order": (incoming(message("order", order={"catalog_id": "1", "product_items": []})), "attachment"),
    "unsupported": (incoming(message("unsupported", errors=[{"code": 131051}])), "attachment"),
    "unknown type": (incoming(message("hologram", hologram={"depth": 3})), "attachment"),
    "reaction": (incoming(message("reaction", reaction={"message_id": "wamid.OUT1", "emoji": "👍"})), "ignored"),
    "reaction taken back": (incoming(message("unreaction", unreaction={"message_id": "wamid.OUT1"})), "ignored"),
    "edited": (incoming(message("edit", edit={"original_message_id": "wamid.IN0", "message": {}})), "ignored"),
    "deleted": (incoming(message("revoke", revoke={"original_message_id": "wamid.IN0"})), "ignored"),
    "chat opened": (incoming(message("request_welcome")), "ignored"),
    "group": (incoming(text(group_id="Y2FwaV9ncm91cDox")), "ignored"),
    # changes of address
    "new number": (system("user_changed_number", wa_id=NEW_PHONE), "moved"),
    "new number, older type": (system("customer_changed_number", new_wa_id=NEW_PHONE), "moved"),
    "new user id": (system("user_changed_user_id", body=CHANGED_IDS, wa_id=NEW_PHONE, user_id=NEW_USER), "moved"),
    "new number that is the old number": (system("user_changed_number", wa_id="524771234567"), "ignored"),
    "new number that is missing": (system("user_changed_number"), "unreadable: no new address"),
    "new telephone": (system("customer_identity_changed", wa_id=PHONE), "ignored"),
    "unknown system message": (system("user_was_promoted", wa_id=NEW_PHONE), "ignored"),
    # preferences
    "marketing stopped": (preference("stop"), "preference stop"),
    "marketing resumed": (preference("resume"), "preference resume"),
    "marketing signup": (preference("signup", signup_id="1"), "preference resume"),
    "another preference": (preference("stop", category="surveys"), "ignored"),
    "another value": (preference("perhaps"), "ignored"),
    # receipts
    "sent": (status_updates(status("sent", pricing={"billable": True, "category": "utility"})), "sent 0"),
    "delivered": (status_updates(status("delivered", biz_opaque_callback_data="1742")), "delivered 1742"),
    "read": (status_updates(status("read")), "read 0"),
    "played": (status_updates(status("played")), "read 0"),
    "failed": (status_updates(status("failed", errors=[ERROR])), "failed 0: 131047"),
    "delivered to a user id": (
        body(change(contacts=[{"user_id": USER}], statuses=[status(recipient_user_id=USER, recipient_id=None)])),
        "delivered 0",
    ),
    "unknown status": (status_updates(status("forwarded")), "ignored"),
    "status of a group": (status_updates(status("read", recipient_type="group")), "ignored"),
    "status of what leaves no row": (status_updates(status("read", biz_opaque_callback_data=UNRECORDED)), "ignored"),
    "status without id": (status_updates({"status": "read"}), "unreadable: no id"),
    "status without status": (status_updates({"id": "wamid.OUT1"}), "unreadable: no status"),
    # events about our account
    "fault of the account": (body(change(errors=[{"code": 130429, "title": "Rate limit hit"}])), "fault 130429"),
    "fault without code": (body(change(errors=[{"title": "Rate limit hit"}])), "unreadable: no code"),
    "template approved": (
        template("message_template_status_update", event="APPROVED", reason="NONE"),
        "template pregunta es_MX APPROVED",
    ),
    "template moved to marketing": (
        template("template_category_update", previous_category="UTILITY", new_category="MARKETING"),
        "template_category pregunta es_MX MARKETING",
    ),
    "template of low quality": (
        template("message_template_quality_update", previous_quality_score="GREEN", new_quality_score="RED"),
        "template_quality pregunta es_MX RED",
    ),
    "template without event": (template("message_template_status_update"), "unreadable: no event"),
    "template reworded": (template("message_template_components_update"), "ignored"),
    "limit": (account("business_capability_update", max_daily_conversations_per_business="TIER_2K"), "limit 2000"),
    "limit, older field": (account("business_capability_update", max_daily_conversation_per_phone=250), "limit 250"),
    "limit with the quality": (
        account("phone_number_quality_update", event="UPGRADE", max_daily_conversations_per_business="TIER_10K"),
        "limit 10000",
    ),
    "quality alone": (account("phone_number_quality_update", event="FLAGGED", current_limit="TIER_1K"), "ignored"),
    "capability without limit": (account("business_capability_update", max_phone_numbers_per_waba=25), "ignored"),
    "restricted": (
        account("account_update", event="ACCOUNT_RESTRICTION", restriction_info=RESTRICTION),
        "account ACCOUNT_RESTRICTION RESTRICTED_BIZ_INITIATED_MESSAGING,OTHER",
    ),
    "disabled": (
        account("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"}),
        "account DISABLED_UPDATE DISABLE stop",
    ),
    "account without event": (account("account_update"), "unreadable: no event"),
    "alert": (account("account_alerts", alert_type="OBA_REJECTED"), "ignored"),
    "unknown field": (account("telepathy", messages=[text()]), "ignored"),
    # unreadable payloads
    "message without id": (incoming(text("hola", None)), "unreadable: no id"),
    "message without sender": (
        incoming(text(from_user_id=None, **{"from": None}), contacts=[]),
        "unreadable: no address",
    ),
    "message that is not an object": (incoming("hola", text()), "unreadable: not an object, text"),
    "change without field": (body({"value": {"messages": [text()]}}), "unreadable: no change"),
    "change without value": (body({"field": "messages"}, change(messages=[text()])), "unreadable: no change, text"),
    "entry that is not an object": ({"entry": ["x", incoming(text())["entry"][0]]}, "unreadable: no change, text"),
    "nothing": ({}, "ignored"),
    "nothing at all": (body(), "ignored"),
    "everything at once": (
        body(
            change(contacts=[LUIS, ANA], messages=[text(), {"type": "text", "id": 5}, message("image", "wamid.IN2")]),
            change(statuses=[status(), status("read"), None, status("sent", "wamid.OUT2")], errors=[{"code": 4}]),
        ),
        "text, unreadable: text is not a string, attachment,"
        " delivered 0, read 0, unreadable: not an object, sent 0, fault 4",
    ),
}
"""Name -> body, and the summary of its events."""


SAMPLES: dict[str, str] = {
    "Text Message": "text",
    "Text Message with Context (Product Inquiry)": "text",
    "Text Message from Click to WhatsApp Ad": "text",
    "Reaction Message": "ignored",
    "Image Message": "attachment",
    "Location Message": "attachment",
    "Contact Sharing Message": "attachment",
    "Unsupported Message": "attachment",
    "Button Message": "choice Unsubscribe",
    "Interactive List Reply Message": "choice priority_express",
    "Interactive Button Reply Message": "choice cancel-button",
    "Order Message": "attachment",
    "System Message": "moved",
    "Group Create Message": "ignored",
    "Group Settings Update": "ignored",
    "Group Remove Participants": "ignored",
    "message/text": "text",
    "message/image": "attachment",
    "message/media_with_url": "attachment",
    "message/video": "attachment",
    "message/document": "attachment",
    "message/audio": "attachment",
    "message/voice": "attachment",
    "message/static_sticker": "attachment",
    "message/animated_sticker": "attachment",
    "message/reaction": "ignored",
    "message/unreaction_empty": "ignored",
    "message/unreaction_no_emoji": "ignored",
    "message/current_location": "attachment",
    "message/chosen_location": "attachment",
    "message/contacts": "attachment",
    "message/order": "attachment",
    "message/unsupported": "attachment",
    "message/unsupported_with_type": "attachment",
    "message/reply": "text",
    "message/forwarded": "text",
    "message/forwarded_many_times": "text",
    "message/interactive_message_with_err": "attachment, fault 131000",
    "message/referral": "text",
    "message_status/sent": "sent 0",
    "message_status/delivered": "delivered 0",
    "message_status/read": "read 0",
    "message_status/played": "read 0",
    "message_status/failed": "failed 0: 130472",
    "message_status/with_tracker": "sent 0",
    "message_status/group": "ignored",
    "callback_button/button": "choice callback_data",
    "callback_button/quick_reply": "choice callback_data",
    "callback_button/quick_reply_without_context": "choice callback_data",
    "callback_selection/callback": "choice callback_data",
    "callback_selection/description": "choice callback_data",
    "flow_completion/completion": "attachment",
    "flow_completion/without_flow_token": "attachment",
    "system/phone_number_change": "moved",
    "system/identity_change": "ignored",
    "edited_message/image": "ignored",
    "deleted_message/revoke": "ignored",
    "template_status_update/approved": "template order_confirmation en_US APPROVED",
    "template_status_update/rejected": "template abandoned_cart en REJECTED",
    "template_quality_update/yellow": "template_quality welcome_template en_US YELLOW",
    "template_category_update/marketing": "template_category my_message_template he MARKETING",
    "template_components_update/element": "ignored",
    "user_marketing_preferences/resume": "preference resume",
    "user_marketing_preferences/signup": "preference resume",
    "account_update/account_deleted": "account ACCOUNT_DELETED stop",
    "account_update/account_restriction": "account ACCOUNT_RESTRICTION RESTRICTED_BIZ_INITIATED_MESSAGING,"
    "RESTRICTED_ADD_PHONE_NUMBER_ACTION",
    "account_update/account_violation": "account ACCOUNT_VIOLATION",
    "account_update/ad_account_linked": "account AD_ACCOUNT_LINKED",
    "account_update/authentication_international_eligibility": "account AUTH_INTL_PRICE_ELIGIBILITY_UPDATE",
    "account_update/account_disabled": "account DISABLED_UPDATE REINSTATE resume",
    "account_update/mm_api_for_wa_terms_of_service": "account MM_LITE_TERMS_SIGNED",
    "account_update/partner_added": "account PARTNER_ADDED",
    "account_update/partner_app_installed": "account PARTNER_APP_INSTALLED",
    "account_update/partner_app_uninstalled": "account PARTNER_APP_UNINSTALLED",
    "account_update/partner_led_business_verification_status": "account PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
    "account_update/partner_removed": "account PARTNER_REMOVED",
    "account_update/partner_removed_wa_app_disconnection": "account PARTNER_REMOVED",
    "account_update/primary_business_location_set": "account BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE",
    "account_update/pricing_tiering_update": "account VOLUME_BASED_PRICING_TIER_UPDATE",
    "account_update/account_offboarded": "account ACCOUNT_OFFBOARDED stop",
    "account_update/account_reconnected": "account ACCOUNT_RECONNECTED resume",
    "phone-and-bsuid/text": "text",
    "no-bsuid/text": "text",
    "username-only/text": "text",
    "username-only/button": "choice q:17:B",
    "status/failed-without-contacts": "failed 0: 131047",
    "status/read-without-delivered": "read 0",
    "status/delivered-to-bsuid": "delivered 0",
    "status/dropped-by-pacing": "failed 0: 132015",
    "system/user_changed_user_id": "moved",
    "batch/two-entries-six-updates": "text, text, choice q:17:A, delivered 0, sent 0, text",
    "errors/account-level": "fault 130429",
}
"""Summary of the events of each of the platform's samples."""


def summary(events: Sequence[PlatformEvent]) -> str:
    """The events of a body in short, e.g. "text, delivered 1742"; "ignored" when there are none."""
    return ", ".join(map(_event_summary, events)) or "ignored"


def _event_summary(event: PlatformEvent) -> str:
    if isinstance(event, Update):
        return f"{event.kind} {event.choice or event.command}".strip()
    if isinstance(event, Receipt):
        return f"{event.status} {event.number}" + (f": {event.code}" if event.code else "")
    if isinstance(event, UnreadableEvent):
        return f"unreadable: {event.fault}"
    effects = [] if event.effect is AccountEffect.NONE else [event.effect]
    return " ".join([event.topic, *event.fields.values(), *effects])


@functools.cache
def samples() -> Mapping[str, Json]:
    """The platform's samples by name; empty where the file is not available."""
    if not SPEC.is_file():
        return {}
    groups = json.loads(SPEC.read_text("utf-8"))
    return {name: body for group in groups.values() if isinstance(group, dict) for name, body in group.items()}


def required_samples() -> Mapping[str, Json]:
    """The platform's samples; skips the test where they are not available."""
    return samples() or pytest.skip(SPEC_MISSING)
