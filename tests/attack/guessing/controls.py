"""What the first version wrote: addresses, moments and counters put into the copies, for a control of the attacker.

Made from what people did and what the platforms saw, not from the product's rows, whatever these hold by now.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count

from tests.attack.guessing.chats import message_id
from tests.attack.guessing.copies import Copy, Row
from tests.attack.guessing.month import Month
from tests.attack.guessing.series import Person, local_day

KEPT = timedelta(days=8)
LINK = "http://127.0.0.1:8080/c#t="


def first_version(month: Month) -> Month:
    """The month as its copies would have been."""
    said = _said(month)
    return replace(month, copies=[_first_copy(month, said, copy) for copy in month.copies])


@dataclass(frozen=True, slots=True)
class Said:
    """One message to a person, numbered in the order in which all were due."""

    id: int
    at: datetime
    person: Person
    kind: str
    is_waiting: bool = False


def _said(month: Month) -> list[Said]:
    """A reply and the acknowledgement of a press for each action, prompts and notices."""
    found = [(action.at, action.address, "reply", False) for action in month.actions]
    found += [(action.at, action.address, "signal", False) for action in month.actions if action.is_press]
    found += [(at, person, "prompt", False) for person, at in month.prompts]
    found += [(at, person, "notice", False) for person, at in month.notices]
    found += [(at, person, "reply", True) for person, at in month.waiting]
    return [Said(number, *one) for number, one in enumerate(sorted(found))]


def _first_copy(month: Month, said: Iterable[Said], copy: Copy) -> Copy:
    rows = {
        "updates": _updates(month, copy.day),
        "deliveries": [_delivery(one, copy.day) for one in said if _is_kept(one.at, copy.day)],
        "addresses": _addresses(month, copy),
        "transcript_messages": _transcripts(month, copy.day),
    }
    return Copy(copy.day, {**copy.rows, **rows})


def _is_kept(at: datetime, day: date) -> bool:
    return day - KEPT <= local_day(at) <= day


def _updates(month: Month, day: date) -> list[Row]:
    return [
        {
            "id": number,
            "channel": action.address[0],
            "key": str(number),
            "address": action.address[1],
            "received_at": action.at,
        }
        for number, action in enumerate(month.actions)
        if _is_kept(action.at, day)
    ]


def _delivery(said: Said, day: date) -> Row:
    channel, address = said.person
    is_named = channel == "whatsapp" and said.kind != "signal"
    phone = "5214771" + address.removeprefix("MX.")
    return {
        "id": said.id,
        "channel": channel,
        "key": str(said.id),
        "address": address,
        "kind": said.kind,
        "body": f'["send","",[[["","","{LINK}"]]]]' if said.is_waiting and local_day(said.at) == day else None,
        "due_at": said.at,
        "platform_ref": message_id(phone, said.id) if is_named else str(said.id),
    }


def _addresses(month: Month, copy: Copy) -> list[Row]:
    heard = {action.address: action.at for action in month.actions if local_day(action.at) <= copy.day}
    rows = copy.rows["addresses"]
    return [
        {**row, "heard_at": heard.get((row["channel"], row["address"])) if row["channel"] == "whatsapp" else None}
        for row in rows
    ]


def _transcripts(month: Month, day: date) -> list[Row]:
    """A bubble for each prompt and each command; each press edits one and counts as a change of the chat."""
    revisions: Counter[Person] = Counter()
    bubbles: list[tuple[Person, Row]] = []
    ids = count(1)
    events = [(action.at, action.address, action.is_press) for action in month.actions]
    events += [(at, person, False) for person, at in month.prompts]
    for at, person, is_press in sorted(events):
        if person[0] == "webchat" and local_day(at) <= day:
            revisions[person] += 1
            if not is_press:
                bubbles.append((person, {"id": next(ids), "address": person[1], "body": "", "at": at}))
    return [{**row, "revision": revisions[person]} for person, row in bubbles]
