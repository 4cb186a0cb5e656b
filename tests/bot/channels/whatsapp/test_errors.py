"""Every error code of the Cloud API: its meaning, and the channel's reaction to it in a response."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from bot.channels.channel import (
    ChannelError,
    NotReached,
    RecipientThrottled,
    Refused,
    Stopped,
    TemplateStopped,
    Throttled,
    UnknownRefusal,
    WindowClosed,
)
from bot.channels.events import ErrorMeaning
from bot.channels.stop_reason import StopCause
from bot.channels.whatsapp.channel import WhatsApp
from bot.channels.whatsapp.client import Graph, GraphError
from bot.channels.whatsapp.errors import BY_CODE, TABLE, error_meaning, row_of
from bot.channels.whatsapp.fields import hashed_key
from handlers.message import Action, Parcel, RenderedTemplate
from storage.channels import channel_facts
from storage.database import Database
from storage.people import addresses, servants
from tests.cast import Clock
from tests.fakes.whatsapp_rules import CODES
from tests.imports import ROOT, files, place

ADDRESS = "MX.1001"
REF = hashed_key("wamid.OUT1")
TAP = RenderedTemplate("pregunta_diaria", "es_MX", ("Regalos",), ("profile:today",))
FREE, PROMPT = Parcel(ADDRESS, Action.SEND, "palabras"), Parcel(ADDRESS, Action.SEND, "palabras", template=TAP)


@dataclass(frozen=True)
class Row:
    """Codes of one meaning, and the error raised: inside the recipient's reply window, and outside of it."""

    description: str
    codes: tuple[int, ...]
    meaning: ErrorMeaning
    inside: type[ChannelError]
    outside: type[ChannelError]
    seconds: float | None = None  # until a retry
    is_exponential: bool = False


EXPECTED = [
    Row(
        "throughput, rate limit of account or app, temporary fault, the number being upgraded: back off, retry",
        (130429, 80007, 80008, 4, 17, 32, 613, 2, 131016, 131000, 131057),
        ErrorMeaning.BACK_OFF,
        Throttled,
        Throttled,
        5,
    ),
    Row(
        "pair rate limit: this recipient only",
        (131056,),
        ErrorMeaning.RECIPIENT_THROTTLED,
        RecipientThrottled,
        RecipientThrottled,
        4,
        is_exponential=True,
    ),
    Row("window closed: a template instead", (131047,), ErrorMeaning.WINDOW_CLOSED, WindowClosed, WindowClosed),
    Row("not on WhatsApp now: tried again", (131026,), ErrorMeaning.RECIPIENT_GONE, NotReached, NotReached),
    Row(
        "engagement cap: not before 24 hours",
        (131049,),
        ErrorMeaning.NOT_TODAY,
        RecipientThrottled,
        RecipientThrottled,
        24 * 3600,
    ),
    Row("stopped marketing: none until they resume it", (131050,), ErrorMeaning.NO_MARKETING, Refused, Refused),
    Row("experiment group: no retry", (130472,), ErrorMeaning.UNDELIVERABLE, Refused, Refused),
    Row("own number, not on the test list", (131021, 131030), ErrorMeaning.UNDELIVERABLE, Refused, Refused),
    Row(
        "template: parameter count, missing, too long, policy, format, characters, paused, disabled: it stops",
        (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018),
        ErrorMeaning.TEMPLATE_STOPPED,
        Refused,
        TemplateStopped,
    ),
    Row(
        "bad request, wrong number: our own fault",
        (131008, 131009, 131051, 100, 33),
        ErrorMeaning.OUR_FAULT,
        Refused,
        Refused,
    ),
    Row(
        "a message type that cannot go to a user id: we send none", (131062,), ErrorMeaning.OUR_FAULT, Refused, Refused
    ),
    Row("media: we send none", (131052, 131053), ErrorMeaning.OUR_FAULT, Refused, Refused),
    Row("spam limit of the number: it pauses", (131048,), ErrorMeaning.NUMBER_PAUSED, Throttled, Throttled, 3600),
    Row("token", (0, 190), ErrorMeaning.CHANNEL_STOPPED, Stopped, Stopped),
    Row("permission", (3, 10, 131005, *range(200, 300)), ErrorMeaning.CHANNEL_STOPPED, Stopped, Stopped),
    Row("account restricted, locked, barred", (368, 131031, 130497), ErrorMeaning.CHANNEL_STOPPED, Stopped, Stopped),
    Row("payment, registration", (131042, 131045, 133010), ErrorMeaning.CHANNEL_STOPPED, Stopped, Stopped),
    Row("unknown codes", (-1, 1, 300, 199, 131037, 999_999), ErrorMeaning.UNKNOWN, UnknownRefusal, UnknownRefusal),
]
ROWS = [pytest.param(row, code, id=f"{code}") for row in EXPECTED for code in row.codes if code not in range(201, 299)]


class Refusing:
    """A Graph API that refuses the next messages with these codes, and accepts those that follow."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.posted: list[Mapping[str, Any]] = []

    async def post_message(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.posted.append(body)
        if self.codes:
            raise GraphError(400, self.codes.pop(0))
        return {"messages": [{"id": "wamid.OUT1"}]}


@dataclass
class Scene:
    """The channel, with one enrolled recipient."""

    database: Database
    clock: Clock

    async def enrol(self, *, in_window: bool) -> None:
        async with self.database.write() as tx:
            await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
            institution = await servants.institution_by_code(tx, "LEON")
            assert institution is not None
            await servants.enrol(
                tx,
                "whatsapp",
                ADDRESS,
                institution_id=institution.id,
                language="es",
                hour=9,
                notice_version="1",
                now=self.clock(),
                today=date(2026, 11, 23),
                alias="+524771000001",
                heard_at=self.clock() - timedelta(hours=1 if in_window else 30),
            )

    async def send(self, parcel: Parcel, graph: Refusing) -> str:
        return await WhatsApp(cast(Graph, graph), self.database, self.clock).send(parcel)

    async def refusal(self, parcel: Parcel, *codes: int) -> ChannelError:
        with pytest.raises(ChannelError) as raised:
            await self.send(parcel, Refusing(*codes))
        return raised.value

    async def address(self) -> addresses.ServantAddress:
        async with self.database.read() as tx:
            found = await addresses.find(tx, "whatsapp", ADDRESS)
        assert found is not None
        return found

    async def templates(self) -> dict[tuple[str, str], str]:
        async with self.database.read() as tx:
            return {names: state.status for names, state in (await channel_facts.templates(tx, "whatsapp")).items()}


@pytest.fixture
def scene(database: Database, clock: Clock) -> Scene:
    return Scene(database, clock)


def test_every_code_has_the_meaning_of_the_table_and_no_other_is_known() -> None:
    expected = {code: row.meaning for row in EXPECTED for code in row.codes}
    for table in (EXPECTED, TABLE):
        codes = [code for row in table for code in row.codes]
        assert len(codes) == len(set(codes)), "a code in two rows"
    assert {code: error_meaning(code) for code in expected} == expected
    assert BY_CODE.keys() <= expected.keys()
    assert CODES.keys() <= expected.keys(), "a code of the fake Graph API without a row"
    assert {row.meaning for row in EXPECTED} == set(ErrorMeaning)


def test_a_cause_is_given_for_exactly_the_codes_that_stop_the_channel() -> None:
    stopping = {code for code, row in BY_CODE.items() if row.meaning is ErrorMeaning.CHANNEL_STOPPED}
    assert {code for code, row in BY_CODE.items() if row.cause is not StopCause.OTHER} == stopping
    assert all(BY_CODE[code].concerns_all for code in stopping)


def test_the_causes_in_the_documentation_are_those_of_the_table() -> None:
    page = (ROOT / "docs/whatsapp.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\| `channel_stopped`.*", page, re.MULTILINE)
    documented: dict[int, StopCause] = {}
    for cause in set(StopCause) - {StopCause.OTHER}:
        (listed,) = re.findall(rf"\b{cause.value} \(([^)]*)\)", line)
        for first, _, last in (part.strip().partition("-") for part in listed.split(",")):
            documented |= dict.fromkeys(range(int(first), int(last or first) + 1), cause)
    assert documented == {code: row.cause for code, row in BY_CODE.items() if row.cause is not StopCause.OTHER}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (4, "Meta has had too many calls from us (code 4); try again in an hour"),
        (100, "WHATSAPP_BUSINESS_ACCOUNT_ID: not an account that this token can see (code 100)"),
        (190, "WHATSAPP_ACCESS_TOKEN: Meta refuses it (code 190); make a new one for the system user"),
        (131000, "Meta refuses (code 131000)"),
        (999_999, "Meta refuses (code 999999)"),
    ],
)
def test_an_administrator_reads_what_is_wrong_and_what_to_do(code: int, text: str) -> None:
    assert row_of(code).text(f"code {code}") == text


def test_no_other_file_lists_codes() -> None:
    code = re.compile(r"\b(" + "|".join(str(code) for code in BY_CODE if code > 9999) + r")\b")
    paths = files("bot", "handlers", "storage")
    found = [place(path) for path in paths if code.search(path.read_text(encoding="utf-8"))]
    assert found == ["bot/channels/whatsapp/errors.py"]


def assert_error(fault: ChannelError, row: Row, expected: type[ChannelError], code: int) -> None:
    assert type(fault) is expected
    if isinstance(fault, Throttled | RecipientThrottled):
        assert fault.retry_after == row.seconds
    if isinstance(fault, RecipientThrottled):
        assert fault.is_exponential is row.is_exponential
    if not isinstance(fault, Throttled | WindowClosed):
        assert f"code {code}" in str(fault)
    assert fault.__cause__ is None, "the cause may quote what was sent"
    assert "palabras" not in str(fault)


@pytest.mark.slow
@pytest.mark.parametrize(("row", "code"), ROWS)
async def test_reactions_inside_the_reply_window(scene: Scene, row: Row, code: int) -> None:
    await scene.enrol(in_window=True)
    before = await scene.address()
    with capture_logs() as logs:
        assert_error(await scene.refusal(FREE, code), row, row.inside, code)
    after = await scene.address()
    assert after.no_marketing is (row.meaning is ErrorMeaning.NO_MARKETING)
    assert (after.heard_at is None) is (row.meaning is ErrorMeaning.WINDOW_CLOSED)
    assert (after.is_reachable, after.template_sent_at, after.deferred_on) == (True, None, None)
    assert after.heard_at in (before.heard_at, None)
    assert await scene.templates() == {}
    errors = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert errors == (["whatsapp_number_paused"] if row.meaning is ErrorMeaning.NUMBER_PAUSED else [])


@pytest.mark.slow
@pytest.mark.parametrize(("row", "code"), ROWS)
async def test_reactions_outside_the_reply_window(scene: Scene, row: Row, code: int) -> None:
    await scene.enrol(in_window=False)
    with capture_logs() as logs:
        fault = await scene.refusal(PROMPT, code)
    assert_error(fault, row, row.outside, code)
    after = await scene.address()
    assert after.no_marketing is (row.meaning is ErrorMeaning.NO_MARKETING)
    assert after.template_sent_at is None, "a refused template does not count"
    stops = row.meaning is ErrorMeaning.TEMPLATE_STOPPED
    assert await scene.templates() == ({(TAP.template, TAP.code): f"REFUSED_{code}"} if stops else {})
    assert isinstance(fault, TemplateStopped) is stops
    if isinstance(fault, TemplateStopped):
        assert (fault.template, fault.code) == (TAP.template, TAP.code)
    errors = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    expected = {
        ErrorMeaning.NUMBER_PAUSED: ["whatsapp_number_paused"],
        ErrorMeaning.TEMPLATE_STOPPED: ["whatsapp_template_stopped"],
    }
    assert errors == expected.get(row.meaning, [])
    assert ADDRESS not in str(logs)


async def test_a_window_that_meta_reports_as_closed_gets_the_template_at_once(scene: Scene) -> None:
    await scene.enrol(in_window=True)
    graph = Refusing(131047)
    assert await scene.send(PROMPT, graph) == REF
    assert [body["type"] for body in graph.posted] == ["text", "template"]
    address = await scene.address()
    assert (address.heard_at, address.template_sent_at) == (None, scene.clock())


async def test_a_stopped_template_is_not_retried(scene: Scene) -> None:
    await scene.enrol(in_window=False)
    await scene.refusal(PROMPT, 132015)
    graph = Refusing()
    with pytest.raises(TemplateStopped):
        await scene.send(PROMPT, graph)
    assert graph.posted == []
    async with scene.database.write() as tx:
        await channel_facts.store_template(tx, "whatsapp", TAP.template, TAP.code, scene.clock(), status="APPROVED")
    assert await scene.send(PROMPT, graph) == REF
