"""Every payload of WhatsApp's is parsed to events or ignored on purpose: nothing raises, nothing is lost."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.channels.events import AccountEvent, AccountEventKind, ErrorMeaning, Receipt, UnreadableEvent
from bot.channels.whatsapp.fields import hashed_key
from bot.channels.whatsapp.parser import parse
from bot.channels.whatsapp.phone import canonical
from handlers.message import MAX_SHORT_TEXT, Update, UpdateKind
from storage.queue.receipts import DeliveryStatus
from tests.bot.channels.whatsapp.payloads import (
    ANA,
    CHANGED_IDS,
    LUIS,
    NEW_PHONE,
    NEW_USER,
    NUMBER_ID,
    OTHER_PHONE,
    OTHER_USER,
    PHONE,
    ROWS,
    SAMPLES,
    USER,
    WROTE_AT,
    Json,
    account,
    body,
    change,
    incoming,
    message,
    preference,
    reply,
    required_samples,
    status,
    status_updates,
    summary,
    system,
    template,
    text,
)

ALIAS, OTHER_ALIAS, NEW_ALIAS = "+524771234567", "+524770000001", "+524779999999"


def parse_update(raw: Any) -> Update:
    (update,) = parse(raw)
    assert isinstance(update, Update)
    return update


@pytest.mark.parametrize("name", ROWS)
def test_our_payloads_are_parsed_as_in_the_table(name: str) -> None:
    raw, expected = ROWS[name]
    assert summary(parse(raw)) == expected


@pytest.mark.parametrize("name", SAMPLES)
def test_the_platforms_samples_are_parsed_as_in_the_table(name: str) -> None:
    assert summary(parse(required_samples()[name])) == SAMPLES[name]


def test_the_tables_cover_all_samples_and_all_kinds_of_events() -> None:
    expected = " ".join(row_summary for _, row_summary in ROWS.values()).replace(",", "").split()
    not_reported = {UpdateKind.BLOCKED, UpdateKind.UNBLOCKED}  # by WhatsApp
    assert {*UpdateKind, *DeliveryStatus, *AccountEventKind} - not_reported <= set(expected)
    assert set(required_samples()) == set(SAMPLES)


def test_sender_time_and_text_are_carried_along_and_nothing_else() -> None:
    quoted = text("hola", context={"from": "524770000000", "id": "wamid.OUT1"})
    key, ref = hashed_key("wamid.IN1"), hashed_key("wamid.OUT1")
    assert parse(incoming(quoted)) == [
        Update("whatsapp", key, USER, UpdateKind.TEXT, text="hola", at=WROTE_AT, alias=ALIAS, quoted=ref)
    ]


@pytest.mark.parametrize("context", [None, 5, [], {"id": None}, {"id": {"a": 1}}, {"from": "524770000000"}])
def test_a_broken_quotation_is_none(context: object) -> None:
    assert parse_update(incoming(text("b", context=context))).quoted == ""


@pytest.mark.parametrize("name", [name for name, (_, expected) in ROWS.items() if expected == "attachment"])
def test_no_content_of_an_attachment_is_carried_on(name: str) -> None:
    update = parse_update(ROWS[name][0])
    assert (update.text, update.command, update.choice) == ("", "", "")


# ---------------------------------------------------------------- senders


NO_SENDER: Json = {"from": None, "from_user_id": None}


@pytest.mark.parametrize(
    ("message", "contacts", "address", "alias"),
    [
        (text(), [ANA], USER, ALIAS),
        (text(), [], USER, ALIAS),
        (text(), [LUIS], USER, ALIAS),
        (text(from_user_id=None), [ANA], USER, ALIAS),
        (text(from_user_id=None), [LUIS, ANA], USER, ALIAS),
        (text(from_user_id=None, **{"from": "524771234567"}), [LUIS, ANA], USER, ALIAS),
        (text(from_user_id=None, **{"from": 524771234567}), [], ALIAS, ALIAS),
        (text(from_user_id=None), [LUIS], ALIAS, ALIAS),
        (text(from_user_id=None), [{"wa_id": PHONE}], ALIAS, ALIAS),
        (text(from_user_id=None), [{"user_id": USER}], USER, ALIAS),
        (text(from_user_id=None), [{"user_id": USER}, LUIS], ALIAS, ALIAS),
        (text(from_user_id=None), [ANA, {**ANA, "user_id": OTHER_USER}], ALIAS, ALIAS),
        (text(**{"from": None}), [LUIS, ANA], USER, ALIAS),
        (text(**{"from": None}), [{"user_id": USER}], USER, ""),
        (text(**{"from": None}), [{"wa_id": PHONE}], USER, ALIAS),
        (text(**{"from": None}), [LUIS], USER, ""),
        (text(**NO_SENDER), [ANA], USER, ALIAS),
        (text(**NO_SENDER), ["x", 7, None, {"wa_id": PHONE}], "", ""),
        (text(**NO_SENDER), [ANA, LUIS], "", ""),
        (text(from_user_id="Ana", **{"from": "@ana"}), [], "", ""),
        (text(from_user_id=USER + "\n"), [], ALIAS, ALIAS),
        (text(from_user_id="US.ENT.11815799212886844830"), [], "US.ENT.11815799212886844830", ALIAS),
    ],
)
def test_a_sender_is_identified_by_any_given_id_and_never_by_position(
    message: Json, contacts: list[Any], address: str, alias: str
) -> None:
    (event,) = parse(incoming(message, contacts=contacts))
    if address:
        assert isinstance(event, Update)
        assert (event.address, event.alias) == (address, alias)
    else:
        assert event == UnreadableEvent("whatsapp", hashed_key("wamid.IN1"), "no address")


def test_a_single_contact_is_not_used_for_two_messages() -> None:
    events = parse(incoming(text(**NO_SENDER), text("hola", "wamid.IN2", **NO_SENDER)))
    assert [type(event) for event in events] == [UnreadableEvent, UnreadableEvent]


DIGITS = st.text("0123456789", min_size=10, max_size=10)
SEPARATORS = st.text(" -()\u00a0", max_size=2)


@given(DIGITS, st.lists(SEPARATORS, min_size=14, max_size=14), st.sampled_from(["", "1"]), st.sampled_from(["", "+"]))
def test_a_mexican_number_has_one_canonical_form(national: str, separators: list[str], mobile: str, plus: str) -> None:
    digits = f"52{mobile}{national}"
    assert canonical(plus + "".join(a + b for a, b in zip(digits, separators, strict=False))) == f"+52{national}"


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("5214771234567", "+524771234567"),
        ("524771234567", "+524771234567"),
        ("+52 1 477 123 4567", "+524771234567"),
        ("+52 (477) 123-4567", "+524771234567"),
        ("16505551234", "+16505551234"),
        ("52147712345", "+52147712345"),
        ("1234567", "+1234567"),
        ("123456789012345", "+123456789012345"),
        ("123456", ""),
        ("1234567890123456", ""),
        ("", ""),
        ("+", ""),
        ("++524771234567", ""),
        ("52+4771234567", ""),
        ("52477123456a", ""),
        ("٥٢٤٧٧١٢٣٤٥٦٧", ""),
        ("5247712345²7", ""),
        ("\ud800524771234567", ""),
        ("1" * 1_000_000, ""),
        (" " * 1_000_000 + "524771234567", ""),
    ],
)
def test_a_phone_number_has_one_canonical_form_and_anything_else_has_none(written: str, number: str) -> None:
    assert canonical(written) == number


MOVED_ID = "user_changed_user_id"
MOVED_NUMBER = "user_changed_number"
A_NAME = f"User x changed from {OTHER_USER} to {NEW_USER}"


def moved(kind: str, given: Json | None = None, **inner: Any) -> Json:
    raw = system(kind, **inner)
    raw["entry"][0]["changes"][0]["value"]["messages"][0].update(given or {})
    return raw


@pytest.mark.parametrize(
    ("raw", "before", "after"),
    [
        (moved(MOVED_NUMBER, wa_id=NEW_PHONE), (ALIAS, ALIAS), (NEW_ALIAS, NEW_ALIAS)),
        (moved(MOVED_NUMBER, wa_id=NEW_PHONE, user_id=NEW_USER), (ALIAS, ALIAS), (NEW_USER, NEW_ALIAS)),
        (moved(MOVED_NUMBER, {"from_user_id": USER}, wa_id=NEW_PHONE), (USER, ALIAS), ("", NEW_ALIAS)),
        (
            moved(MOVED_NUMBER, {"from_user_id": USER}, wa_id=NEW_PHONE, user_id=NEW_USER),
            (USER, ALIAS),
            (NEW_USER, NEW_ALIAS),
        ),
        (
            moved(MOVED_NUMBER, {"from_user_id": NEW_USER}, wa_id=NEW_PHONE, user_id=NEW_USER),
            (ALIAS, ALIAS),
            (NEW_USER, NEW_ALIAS),
        ),
        (moved(MOVED_ID, body=CHANGED_IDS, user_id=NEW_USER), (USER, ALIAS), (NEW_USER, "")),
        (moved(MOVED_ID, {"from": None}, body=CHANGED_IDS, user_id=NEW_USER), (USER, ""), (NEW_USER, "")),
        (
            moved(MOVED_NUMBER, {"from": None, "from_user_id": USER}, wa_id=NEW_PHONE, user_id=USER),
            (USER, ""),
            ("", NEW_ALIAS),
        ),
        (moved(MOVED_ID, body=CHANGED_IDS), (USER, ALIAS), (NEW_USER, "")),
        (moved(MOVED_ID, {"from_user_id": USER}, user_id=NEW_USER), (USER, ALIAS), (NEW_USER, "")),
        (
            moved(MOVED_ID, {"from_user_id": NEW_USER}, body=CHANGED_IDS, user_id=NEW_USER),
            (USER, ALIAS),
            (NEW_USER, ""),
        ),
        (moved(MOVED_ID, body="User identity changed", user_id=NEW_USER), (ALIAS, ALIAS), (NEW_USER, "")),
        *(
            (moved(MOVED_ID, body=text, user_id=NEW_USER), (ALIAS, ALIAS), (NEW_USER, ""))
            for text in (None, "", 7, [CHANGED_IDS], {"body": CHANGED_IDS}, f"{'x' * 2_000}{CHANGED_IDS}")
        ),
        (moved(MOVED_ID, body=CHANGED_IDS.rjust(2_000), user_id=NEW_USER), (USER, ALIAS), (NEW_USER, "")),
        (moved(MOVED_ID, body=CHANGED_IDS.rjust(2_001), user_id=NEW_USER), (ALIAS, ALIAS), (NEW_USER, "")),
        (moved(MOVED_ID, {"from_user_id": NEW_USER}, user_id=NEW_USER), (ALIAS, ALIAS), (NEW_USER, "")),
        (
            moved(MOVED_ID, {"from_user_id": USER}, user_id=NEW_USER, wa_id=NEW_PHONE),
            (USER, ALIAS),
            (NEW_USER, NEW_ALIAS),
        ),
        # a user whose name is a sentence about another user
        (
            moved(MOVED_ID, body=f"{A_NAME} changed from {USER} to {NEW_USER}", user_id=NEW_USER),
            (USER, ALIAS),
            (NEW_USER, ""),
        ),
        (
            moved(MOVED_ID, body=f"{A_NAME} changed", user_id=NEW_USER),
            (ALIAS, ALIAS),
            (NEW_USER, ""),
        ),
        (
            moved(MOVED_ID, body=f"User x changed from {OTHER_USER} to {USER}", user_id=NEW_USER),
            (ALIAS, ALIAS),
            (NEW_USER, ""),
        ),
    ],
)  # fmt: skip
def test_an_address_change_has_old_and_new_address_and_alias(
    raw: Json, before: tuple[str, str], after: tuple[str, str]
) -> None:
    update = parse_update(raw)
    assert (update.kind, update.at) == (UpdateKind.MOVED, WROTE_AT)
    assert ((update.address, update.alias), (update.moved_to, update.moved_alias)) == (before, after)


# ---------------------------------------------------------------- texts and presses


@pytest.mark.parametrize(
    ("typed", "kind", "command", "cleaned"),
    [
        ("/start", UpdateKind.COMMAND, "start", ""),
        ("/Alta  LEON-24 ", UpdateKind.COMMAND, "alta", "LEON-24"),
        ("/hoy\u200b", UpdateKind.COMMAND, "hoy", ""),
        ("hoy", UpdateKind.TEXT, "", "hoy"),
        ("/", UpdateKind.TEXT, "", "/"),
        ("/hoy.", UpdateKind.TEXT, "", "/hoy."),
        ("a\u200bb\u202ec\ue000", UpdateKind.TEXT, "", "abc"),
        ("\ud83d half\x00", UpdateKind.TEXT, "", "half"),
        ("", UpdateKind.TEXT, "", ""),
        ("x" * MAX_SHORT_TEXT, UpdateKind.TEXT, "", "x" * MAX_SHORT_TEXT),
        ("x" * (MAX_SHORT_TEXT + 1), UpdateKind.LONG_TEXT, "", ""),
        ("/consulta " + "secreto " * 60, UpdateKind.LONG_TEXT, "", ""),
        ("s" * 1_000_000, UpdateKind.LONG_TEXT, "", ""),
    ],
)
def test_typed_text_is_parsed_as_on_telegram(typed: str, kind: UpdateKind, command: str, cleaned: str) -> None:
    update = parse_update(incoming(text(typed)))
    assert (update.kind, update.command, update.text) == (kind, command, cleaned)


@pytest.mark.parametrize("make", [
    lambda given: incoming(message("button", button={"payload": given})),
    lambda given: reply("button_reply", id=given),
    lambda given: reply("list_reply", id=given),
])  # fmt: skip
@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("answer:17:b", "answer:17:b"),
        (17, "17"),
        ("x" * 64, "x" * 64),
        ("x" * 65, ""),
        ("opción", ""),
        ("\ud800", ""),
        ("answer:1:\x00", ""),
        ("'; drop table servants; --", "'; drop table servants; --"),
    ],
)
def test_a_press_carries_only_a_choice_that_a_button_of_ours_can_have(make: Any, given: Any, choice: str) -> None:
    update = parse_update(make(given))
    assert (update.kind, update.choice) == (UpdateKind.CHOICE, choice)


@pytest.mark.parametrize("given", [None, "", {}, ["a"], True, 1.5])
def test_a_press_without_a_choice_is_an_attachment(given: Any) -> None:
    assert parse_update(reply("button_reply", id=given)).kind is UpdateKind.ATTACHMENT


# ---------------------------------------------------------------- keys and times


@pytest.mark.parametrize("ident", ["wamid.HBgLMTY1+/=", 7, "w" * 300, "wamid.ñ", "wamid.\ud800\x00"])
def test_a_key_is_a_digest_as_the_platforms_id_contains_a_phone_number(ident: Any) -> None:
    update = parse_update(incoming(text("hola", ident)))
    assert re.fullmatch(r"h:[0-9a-f]{40}", update.key)
    assert update.key == parse_update(incoming(text("adiós", ident))).key
    assert update.key != parse_update(incoming(text("hola", f"{ident}x"))).key


@pytest.mark.parametrize(
    ("given", "at"),
    [
        (str(WROTE_AT), WROTE_AT),
        (WROTE_AT, WROTE_AT),
        (None, 0),
        ("", 0),
        ("yesterday", 0),
        ("١٧٩٥٣", 0),
        (-1, 0),
        (True, 0),
        (1.5, 0),
        (float("inf"), 0),
        (253_402_300_799, 253_402_300_799),
        (253_402_300_800, 0),
        (10**12, 0),
        (10**400, 0),
        ({}, 0),
    ],
)
def test_the_time_is_the_platforms_or_unknown(given: Any, at: int) -> None:
    assert parse_update(incoming(text(timestamp=given))).at == at


def test_a_preference_has_a_stable_key_without_the_phone_number() -> None:
    stop, again, resume, later, another = (
        parse_update(raw)
        for raw in (
            preference("stop"),
            preference("stop", wa_id="524771234567", timestamp=str(WROTE_AT)),
            preference("resume"),
            preference("stop", timestamp=WROTE_AT + 1),
            preference("stop", wa_id=OTHER_PHONE),
        )
    )
    assert (stop.kind, stop.choice, stop.address, stop.alias) == (UpdateKind.PREFERENCE, "stop", USER, ALIAS)
    assert (another.address, another.alias) == (OTHER_ALIAS, OTHER_ALIAS)
    assert stop.key == again.key
    assert len({stop.key, resume.key, later.key, another.key}) == 4
    assert not [key for key in (stop.key, another.key) if "4771234567" in key or "4770000001" in key or USER in key]


# ---------------------------------------------------------------- receipts and account events


@pytest.mark.parametrize(
    ("given", "number"),
    [("1742", 1742), (1742, 1742), (None, 0), ("", 0), ("some data", 0), ("-1", 0), ("1" * 19, 0), ("²", 0), ({}, 0)],
)
def test_a_receipt_returns_our_delivery_number(given: Any, number: int) -> None:
    (receipt,) = parse(status_updates(status("read", biz_opaque_callback_data=given)))
    assert receipt == Receipt(
        "whatsapp",
        hashed_key("wamid.OUT1:read"),
        ref=hashed_key("wamid.OUT1"),
        status=DeliveryStatus.READ,
        number=number,
        at=WROTE_AT,
    )


@pytest.mark.parametrize(
    ("errors", "code", "meaning"),
    [
        ([{"code": 131047}], 131047, ErrorMeaning.WINDOW_CLOSED),
        ([{"code": "131047"}, {"code": 1}], 131047, ErrorMeaning.WINDOW_CLOSED),
        ({"code": 131047}, 131047, ErrorMeaning.WINDOW_CLOSED),
        ([{"code": 0}], 0, ErrorMeaning.CHANNEL_STOPPED),  # AuthException; only when the platform says so:
        ([], 0, ErrorMeaning.OUR_FAULT),
        (None, 0, ErrorMeaning.OUR_FAULT),
        (["x"], 0, ErrorMeaning.OUR_FAULT),
        ([{"code": None}], 0, ErrorMeaning.OUR_FAULT),
        ([{"title": "no code"}], 0, ErrorMeaning.OUR_FAULT),
        ("x", 0, ErrorMeaning.OUR_FAULT),
    ],
)
def test_a_failure_carries_its_error_where_there_is_one(errors: Any, code: int, meaning: ErrorMeaning) -> None:
    (receipt,) = parse(status_updates(status("failed", errors=errors)))
    assert isinstance(receipt, Receipt)
    assert (receipt.status, receipt.code, receipt.meaning) == (DeliveryStatus.FAILED, code, meaning)


def test_each_receipt_of_a_message_has_its_own_key() -> None:
    long = "w" * 170
    events = parse(
        status_updates(*(status(kind, ident) for kind in ("sent", "read", "played") for ident in ("a", long)))
    )
    assert len({event.key for event in events}) == 6
    assert all(len(event.key) <= 100 for event in events)
    assert len({event.ref for event in events if isinstance(event, Receipt)}) == 2


@pytest.mark.parametrize(
    ("given", "people"),
    [
        (250, "250"),
        ("250", "250"),
        ("TIER_50", "50"),
        ("TIER_250", "250"),
        ("TIER_1K", "1000"),
        ("TIER_2K", "2000"),
        ("tier_10k", "10000"),
        ("TIER_100K", "100000"),
        ("TIER_UNLIMITED", "-1"),
        ("UNLIMITED", "-1"),
        (-1, "-1"),
        ("TIER_NOT_SET", ""),
        (-2, ""),
        (1.5, ""),
        ([], ""),
        ("9" * 5000, ""),
    ],
)
def test_the_messaging_limit_is_parsed_in_every_spelling(given: Any, people: str) -> None:
    (event,) = parse(account("business_capability_update", max_daily_conversations_per_business=given))
    if people:
        assert isinstance(event, AccountEvent)
        assert (event.topic, dict(event.fields), event.at) == (
            AccountEventKind.LIMIT,
            {"people": people},
            WROTE_AT,
        )
    else:
        assert event == UnreadableEvent("whatsapp", "none", "limit is not a number")


def test_an_account_event_has_one_key() -> None:
    approved = template("message_template_status_update", event="APPROVED")
    reordered = json.loads(json.dumps(approved, sort_keys=True))
    later = json.loads(json.dumps(approved))
    later["entry"][0]["time"] += 60
    faults = body(change(errors=[{"code": 4}, {"code": 4}]))
    keys = [[event.key for event in parse(raw)] for raw in (approved, reordered, later, faults)]
    assert keys[0] == keys[1] != keys[2]
    assert len(set(keys[3])) == 2


def test_a_label_of_the_platforms_is_cut_to_a_storable_length() -> None:
    raw = account("account_update", event="x" * 500, restriction_info=[{"restriction_type": "y" * 150}] * 3)
    (event,) = parse(raw)
    assert isinstance(event, AccountEvent)
    assert {name: len(value) for name, value in event.fields.items()} == {"event": 200, "restrictions": 200}


# ---------------------------------------------------------------- other numbers, malformed payloads


def test_events_of_the_accounts_other_numbers_are_left_out_with_one_log_line() -> None:
    item = {"wa_id": PHONE, "category": "marketing_messages", "value": "stop", "timestamp": WROTE_AT}
    raw = body(
        change(messages=[text("a", "wamid.A"), text("b", "wamid.B")]),
        change(statuses=[status()]),
        change("user_preferences", user_preferences=[item]),  # for the whole account, whichever number it was sent to
    )
    with capture_logs() as logs:
        assert summary(parse(raw, NUMBER_ID)) == summary(parse(raw)) == "text, text, delivered 0, preference stop"
        assert logs == []
        assert summary(parse(raw, "999")) == "preference stop"
    assert logs == [{"event": "whatsapp_other_number_ignored", "count": 3, "log_level": "info"}]


@pytest.mark.parametrize("metadata", [None, {}, "x", {"phone_number_id": None}, {"phone_number_id": int(NUMBER_ID)}])
def test_a_change_without_a_number_id_is_ours(metadata: Any) -> None:
    assert summary(parse(body(change(messages=[text()], metadata=metadata)), NUMBER_ID)) == "text"


@pytest.mark.parametrize("raw", [None, True, 0, 1.5, "x", [], [1], [[]], {"entry": 1}, {"entry": {}}, {"entry": [[]]}])
def test_no_malformed_payload_raises(raw: Any) -> None:
    assert all(isinstance(event, UnreadableEvent) for event in parse(raw))


def test_a_number_too_long_for_a_string_is_no_identifier() -> None:
    (event,) = parse(incoming(text("hola", 10**5000)))
    assert event == UnreadableEvent("whatsapp", "none", "no id")


@pytest.mark.parametrize("depth", [10, 400, 900])
def test_deep_nesting_costs_only_its_own_item(depth: int) -> None:
    deep: Any = 0
    for _ in range(depth):
        deep = {"a": [deep]}
    bad = [{**text("hola", "wamid.DEEP"), "text": deep}, {"id": deep, "type": deep, "from": deep}]
    raw = body(change(contacts=[deep, ANA], messages=[*bad, text()]), change(errors=[{"code": 4, "deep": deep}]))
    events = parse(raw)
    assert len(events) == 4
    assert isinstance(events[2], Update)
