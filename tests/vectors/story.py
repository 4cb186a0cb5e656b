"""The cast and the honest objects of the vectors: a unit, four lists, a case with its talk and its notes."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.vectors.primitives import (
    Key,
    b64,
    commit,
    digest,
    fixed,
    ident,
    key,
    letter,
    letter_hash,
    pin,
    point,
    sign,
    text,
)

TODAY = "2026-11-20"
CASE = ident("case")
TALK, NOTES = "talk", "notes"


@dataclass(frozen=True)
class Person:
    """A reader with fixed keys."""

    label: str
    name: str
    role: str = "officer"

    @property
    def id(self) -> str:
        return ident(self.label)

    @cached_property
    def reading(self) -> Key:
        return key(f"{self.label} reading")

    @cached_property
    def signing(self) -> Key:
        return key(f"{self.label} signing")


UNIT, OTHER_UNIT, NEXT_UNIT, LAST_UNIT = key("unit"), key("other unit"), key("next unit"), key("last unit")
ANA, BEA, CARLA, DORA = (
    Person("ana", "Ana Peña"),
    Person("bea", "Bea Ríos"),
    Person("carla", "Carla Solís"),
    Person("dora", "Dora Luna"),
)
CARLA_AGAIN = Person("carla again", "CARLA  SOLIS")
RESERVE, RESERVE_TWO = Person("reserve", "Respaldo", "recovery"), Person("reserve two", "Respaldo 2", "recovery")
ASKER = Person("asker", "")
PIN, NEXT_PIN, LAST_PIN = pin(point(UNIT)), pin(point(NEXT_UNIT)), pin(point(LAST_UNIT))


# ---------------------------------------------------------------- lists


def join(person: Person, unit: Key = UNIT, **changes: Any) -> dict[str, Any]:
    return {
        "v": 2,
        "unit": point(unit),
        "id": person.id,
        "name": person.name,
        "role": person.role,
        "reading": point(person.reading),
        "signing": point(person.signing),
        **changes,
    }


def reader(
    person: Person, since: int, vouchers: tuple[Person, ...] = (), ended: int = 0, unit: Key = UNIT, **changes: Any
) -> dict[str, Any]:
    """An entry; `changes` are of its join statement."""
    statement = join(person, unit, **changes)
    proofs = [{"id": one.id, "signature": sign(one.signing, "join", statement)} for one in (person, *vouchers)]
    return {
        "join": statement,
        "scope": "state",
        "since": since,
        "ended": ended,
        "proofs": sorted(proofs, key=lambda one: one["id"]),
    }


def key_list(serial: int, prev: str, readers: list[dict[str, Any]], unit: Key = UNIT, **changes: Any) -> dict[str, Any]:
    return {
        "v": 2,
        "suite": 1,
        "unit": point(unit),
        "serial": serial,
        "prev": prev,
        "day": f"2026-11-{serial + 10:02}",
        "until": f"2026-12-{serial + 10:02}",
        "custodians": ["Notaría 7", "Órgano interno"],
        "readers": sorted(readers, key=lambda one: one["join"]["id"]),
        **changes,
    }


def signed(keys: dict[str, Any], unit: Key = UNIT, succ: list[dict[str, Any]] | None = None) -> str:
    return text({"list": keys, "signature": sign(unit, "list", keys), "succ": succ or []})


def of(signed_list: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(signed_list)["list"]
    return value


def list_hash(signed_list: str) -> str:
    return digest("list", of(signed_list))


def next_list(former: str, readers: list[dict[str, Any]], **changes: Any) -> str:
    keys = of(former)
    return signed({**key_list(keys["serial"] + 1, list_hash(former), readers), **changes})


FIRST_READERS = [reader(ANA, 1), reader(BEA, 1), reader(RESERVE, 1)]
LIST_1 = signed(key_list(1, "", FIRST_READERS))
SECOND_READERS = [*FIRST_READERS, reader(CARLA, 2, (ANA, BEA))]
LIST_2 = next_list(LIST_1, SECOND_READERS)
THIRD_READERS = [{**one, "ended": 3} if one["join"]["id"] == BEA.id else one for one in SECOND_READERS]
LIST_3 = next_list(LIST_2, THIRD_READERS)
FOURTH_READERS = [
    *({**one, "ended": 4} if one["join"]["id"] == RESERVE.id else one for one in THIRD_READERS),
    reader(RESERVE_TWO, 4, (ANA, CARLA)),
]
LIST_4 = next_list(LIST_3, FOURTH_READERS)
RETURNED = next_list(LIST_2, [*SECOND_READERS, reader(CARLA_AGAIN, 3, (ANA, BEA))])  # in the place of LIST_3
LISTS = {1: LIST_1, 2: LIST_2, 3: LIST_3, 4: LIST_4}


# ---------------------------------------------------------------- other keys of the unit


def succession(old: Key, new: Key, serial: int, *signers: tuple[str, Key], **changes: Any) -> dict[str, Any]:
    """That a key of the unit follows another after the list with this serial; `signers` are officers, by id."""
    value = {"v": 2, "old": point(old), "next": point(new), "serial": serial, "day": f"2026-11-{serial + 10:02}"}
    value |= changes
    signatures = [{"by": by, "signature": sign(who, "succ", value)} for by, who in signers or (("unit", old),)]
    return {"succ": value, "signatures": sorted(signatures, key=lambda one: one["by"])}


def list_after(former: str, unit: Key, succ: list[dict[str, Any]], *added: dict[str, Any], **changes: Any) -> str:
    """The next list by this key of the unit, with the same readers and those who are added."""
    keys = of(former)
    made = key_list(keys["serial"] + 1, list_hash(former), [*keys["readers"], *added], unit)
    return signed({**made, **changes}, unit, succ)


TO_NEXT, TO_LAST = succession(UNIT, NEXT_UNIT, 4), succession(NEXT_UNIT, LAST_UNIT, 6)
LIST_5 = list_after(LIST_4, NEXT_UNIT, [TO_NEXT])
LIST_6 = list_after(LIST_5, NEXT_UNIT, [TO_NEXT], reader(DORA, 6, (ANA, CARLA), unit=NEXT_UNIT))
LIST_7 = list_after(LIST_6, LAST_UNIT, [TO_NEXT, TO_LAST])


# ---------------------------------------------------------------- letters


def case_key(lane: str, epoch: int) -> bytes:
    return fixed(f"{lane} {epoch}")


def grant(
    readers: list[Person],
    epoch: int,
    *,
    excluded: tuple[Person, ...] = (),
    lane: str = TALK,
    asker: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "commit": commit(case_key(lane, epoch), CASE, lane, epoch),
        "readers": sorted(one.id for one in readers),
        "excluded": sorted(one.id for one in excluded),
        "asker": {"reading": point(ASKER.reading), "signing": point(ASKER.signing)} if asker else None,
        **changes,
    }


def content(words: str, *, before: bytes | None = None, bell: str = "") -> dict[str, Any]:
    return {"text": words, "fields": {}, "before": b64(before) if before else "", "bell": bell}


def written(
    former: str | None,
    author: Person,
    kind: str,
    words: str,
    *,
    given: dict[str, Any] | None = None,
    sealed: dict[str, Any] | None = None,
    signer: Key | None = None,
    secret: bytes | None = None,
    plain: bytes | None = None,
    **changes: Any,
) -> str:
    """The letter after `former`; `given` is its grant, `sealed` its content, `changes` are of its context."""
    last: dict[str, Any] = json.loads(former)["context"] if former else {"seq": 0, "epoch": 0, "list": 2, "lane": TALK}
    serial = changes.pop("list", last["list"])
    context = {
        "v": 2,
        "suite": 1,
        "case": CASE,
        "lane": last["lane"],
        "seq": last["seq"] + 1,
        "epoch": last["epoch"] + (given is not None),
        "kind": kind,
        "author": "asker" if author is ASKER else author.id,
        "list": serial,
        "listhash": list_hash(LISTS[serial]) if serial in LISTS else digest("list", {}),
        "day": TODAY,
        "previous": letter_hash(former) if former else "",
        "grant": given,
        "lost": [],
        **changes,
    }
    lane, epoch = context["lane"], context["epoch"]
    before = case_key(lane, epoch - 1) if given and epoch > 1 else None
    inside = content(words, before=before) if sealed is None else sealed
    return letter(signer or author.signing, secret or case_key(lane, epoch), context, inside, plain)


TOKEN = fixed("token", 24)
ASK = written(
    None,
    ASKER,
    "ask",
    "",
    given=grant([ANA, BEA, RESERVE], 1, excluded=(CARLA,), asker=True),
    sealed={"text": "¿Puedo firmar? 🙂", "fields": {"name": "Inés"}, "before": "", "bell": b64(fixed("bell"))},
)
ANSWER = written(ASK, ANA, "answer", "Excúsate.")
REPLY = written(ANSWER, ASKER, "reply", "Gracias. Que Carla lea también.")
WIDER = written(REPLY, ASKER, "reply", "Ya puede leer.", given=grant([ANA, BEA, CARLA, RESERVE], 2))
HANDED = written(WIDER, ANA, "hand", "Bea se fue.", given=grant([ANA, CARLA, RESERVE], 3), list=3)
CLOSED = written(HANDED, CARLA, "close", "Cerrada.")
THREAD = [ASK, ANSWER, REPLY, WIDER, HANDED, CLOSED]
RESUMED = written(
    ANSWER,
    ANA,
    "resume",
    "Se perdió un mensaje.",
    given=grant([ANA, CARLA], 2),
    list=3,
    lost=[letter_hash(REPLY)],
)
RESUMED_WELL = written(
    ANSWER,
    ANA,
    "resume",
    "Se perdió un mensaje.",
    given=grant([ANA, RESERVE], 2, excluded=(CARLA,)),
    list=3,
    lost=[letter_hash(REPLY)],
)
NOTE = written(None, ANA, "note", "Interna.", given=grant([ANA, CARLA], 1, lane=NOTES), lane=NOTES, list=3)
NOTE_TWO = written(NOTE, CARLA, "note", "De acuerdo.")
