"""What a thief of daily copies looks at: each function gives the people whom its rows point to.

Those with a day are about what people did in their chats on it. No people means that the rows say nothing.
"""

import base64
import binascii
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median

from tests.attack.guessing.series import Case, Person, Series, local_day

RUN = 8
"""Actions in a row that are more than answering and looking: the self-assessment has up to fourteen."""
RUN_SECONDS = 900
PAUSE = timedelta(minutes=2)
LINK_LIFETIME = timedelta(hours=48)

People = Collection[Person]


# ---------------------------------------------------------------- who acted many times in a row


def runs_of_updates(series: Series, day: date) -> People:
    """`updates` with an address and a moment: many within minutes."""
    rows = series.added("updates", day)
    return _runs((series.names.get(row["address"]), row["received_at"]) for row in rows)


def runs_of_replies(series: Series, day: date) -> People:
    """`deliveries` that reply to many actions within minutes."""
    rows = [row for row in series.added("deliveries", day) if row["kind"] in ("reply", "signal")]
    return _runs((series.names.get(row["address"]), row["due_at"]) for row in rows)


def _runs(actions: Iterable[tuple[Person | None, datetime]]) -> People:
    moments: dict[Person, list[datetime]] = defaultdict(list)
    for person, at in actions:
        if person is not None:
            moments[person].append(at)
    return {person for person, found in moments.items() if _has_run(sorted(found))}


def _has_run(moments: list[datetime]) -> bool:
    pairs = zip(moments, moments[RUN - 1 :], strict=False)
    return any((last - first).total_seconds() <= RUN_SECONDS for first, last in pairs)


def phones_in_references(series: Series, day: date) -> People:
    """Message ids of WhatsApp hold the phone number: counted in all keys and references of the day."""
    found: Counter[Person] = Counter()
    phones = {name[-10:]: person for name, person in series.names.items() if name.startswith("+")}
    for table, columns in (("updates", ("key", "address")), ("deliveries", ("key", "platform_ref"))):
        for row in series.added(table, day):
            found.update({person for column in columns for person in _owners(row[column], phones)})
    return {person for person, count in found.items() if count >= RUN}


def _owners(text: str | None, phones: Mapping[str, Person]) -> list[Person]:
    """Those whose number, without the country's, a text holds in base64."""
    found: list[str] = []
    for part in re.findall(r"wamid\.([A-Za-z0-9+/=_-]+)", text or ""):
        try:
            decoded = base64.b64decode(part + "=" * (-len(part) % 4))
        except binascii.Error:
            continue
        found += [name[-10:] for name in re.findall(r"\d{10,15}", decoded.decode("latin-1"))]
    return [phones[name] for name in found if name in phones]


def keys_of_one_name(series: Series, day: date) -> People:
    """Whatever stands in place of an address is the same in many rows, and in one that also names a person."""
    counts: Counter[str] = Counter()
    owners: dict[str, Person] = {}
    for table in ("updates", "deliveries"):
        for row in series.added(table, day):
            texts = {value for column, value in row.items() if isinstance(value, str) and len(value) >= 20}
            counts.update(texts)
            for person in series.naming(row):
                owners |= dict.fromkeys(texts, person)
    return {owners[text] for text, count in counts.items() if count >= RUN and text in owners}


def rows_that_name_a_person(series: Series, day: date) -> People:
    """In any table: more new or changed rows that name a person than name most others."""
    suspects: set[Person] = set()
    for counts in series.mentions[day].values():
        usual = sorted(counts[person] for person in series.people)
        threshold = usual[int(0.9 * (len(usual) - 1))]
        suspects |= {person for person in series.people if counts[person] > max(threshold, 1) + 1}
    return suspects


# ---------------------------------------------------------------- what was last


def last_heard(series: Series, day: date) -> People:
    """`addresses.heard_at` is later than the person's answer of the day: they did something else as well."""
    answered = series.answered.get(day, {})
    found = set()
    for row in series.by_day[day].rows["addresses"]:
        person, heard_at = (row["channel"], row["address"]), row["heard_at"]
        if heard_at is not None and local_day(heard_at) == day:
            at = answered.get(person)
            if at is None or heard_at - at > PAUSE:
                found.add(person)
    return found


def revisions_of_transcripts(series: Series, day: date) -> People:
    """The browser chat counts its changes by chat: many in a day."""
    now = _revisions(series, day)
    before = _revisions(series, day - timedelta(days=1)) if day in series.before else {}
    return {person for person, revision in now.items() if revision - before.get(person, 0) >= RUN}


def _revisions(series: Series, day: date) -> dict[Person, int]:
    found: dict[Person, int] = {}
    for row in series.by_day[day].rows["transcript_messages"]:
        if person := series.names.get(row["address"]):
            found[person] = max(found.get(person, 0), row["revision"])
    return found


def bubbles_of_transcripts(series: Series, day: date) -> People:
    """New bubbles in a browser chat beyond the prompt of the day, or a size that most days do not have."""
    bubbles: Counter[Person] = Counter()
    sizes: dict[Person, int] = defaultdict(int)
    for row in series.added("transcript_messages", day):
        if person := series.names.get(row["address"]):
            bubbles[person] += 1
            sizes[person] = max(sizes[person], len(row["body"]))
    many = {person for person, count in bubbles.items() if count > 2}
    longest = sorted(sizes.values())[-max(1, len(sizes) // 8) :] if len(set(sizes.values())) > 1 else []
    return many | {person for person, size in sizes.items() if longest and size > longest[0]}


# ---------------------------------------------------------------- rows without a name


def channel_of_a_run(series: Series, day: date) -> People:
    """Rows without a name still tell their channel: on one of them more was said than the answers explain."""
    found: set[str] = set()
    for table in ("updates", "deliveries"):
        usual = _usual_rows(series, table)
        answers = Counter(person[0] for person in series.answered.get(day, {}))
        rows = Counter(row["channel"] for row in series.added(table, day) if "channel" in row)
        found |= {name for name, count in rows.items() if count > usual.get(name, 0.0) * answers[name] + RUN}
    return {person for person in series.people if person[0] in found}


def _usual_rows(series: Series, table: str) -> dict[str, float]:
    """By channel, rows of a table for each answer of a day: the median of all days."""
    found: dict[str, list[float]] = defaultdict(list)
    for day, answered in series.answered.items():
        if day in series.before:
            rows = Counter(row["channel"] for row in series.added(table, day) if "channel" in row)
            for name, count in Counter(person[0] for person in answered).items():
                found[name].append(rows[name] / count)
    return {name: median(values) for name, values in found.items()}


def order_of_ids(series: Series, day: date) -> People:
    """Ids in order: between two rows of known moments lie more replies than answers, so more was done then."""
    answers = series.answered.get(day, {})
    found: set[Person] = set()
    for (first, start), (last, end) in _gaps(series, day):
        within = {person for person, at in answers.items() if start - PAUSE <= at < end}
        if last - first - 1 > 2.5 * len(within) + 2 * RUN:
            found |= within
    return found


def _gaps(series: Series, day: date) -> Iterable[tuple[tuple[int, datetime], tuple[int, datetime]]]:
    """Neighbouring ids of deliveries whose moments are known, by the prompts of this day and of the next."""
    if day + timedelta(days=1) not in series.by_day:
        return []
    rows = [*series.added("deliveries", day), *series.added("deliveries", day + timedelta(days=1))]
    known = sorted((row["id"], row["due_at"]) for row in rows if row["kind"] == "prompt")
    return pairwise(known)


def hours_of_links(series: Series, day: date) -> People:
    """A link that waits in the copy expires a fixed time after the hour in which it was made: who answered then."""
    found = set()
    for row in series.added("links", day, "row"):
        end = row["expires_at"] - LINK_LIFETIME
        answers = series.answered.get(day, {})
        found |= {person for person, at in answers.items() if end - timedelta(hours=1) <= at < end}
    return found


def links_that_wait(series: Series, day: date) -> People:
    """While a platform is away the body of a message with a link waits beside its address."""
    rows = [row for row in series.by_day[day].rows["deliveries"] if "/c#t=" in str(row["body"])]
    return {series.names[row["address"]] for row in rows if row["address"] in series.names}


def who_answered(series: Series, day: date) -> People:
    """Who was there: a person who is away neither answers nor asks."""
    return set(series.answered.get(day, {}))


# ---------------------------------------------------------------- of one case


def notices_after_letters(series: Series, case: Case) -> People:
    """Notices of news in the outbox, on each day on which an officer wrote into the case."""
    return _on_all(case.written_on, _notified(series))


def _notified(series: Series) -> Mapping[date, set[Person]]:
    found: dict[date, set[Person]] = defaultdict(set)
    for person, at in _notice_moments(series):
        found[local_day(at)].add(person)
    return found


def _notice_moments(series: Series) -> list[tuple[Person, datetime]]:
    rows = (row for day in series.by_day for row in series.added("deliveries", day) if row["kind"] == "notice")
    return [(series.names[row["address"]], row["due_at"]) for row in rows if row["address"] in series.names]


def notices_in_the_ledgers_order(series: Series, case: Case) -> People:
    """The ledger keeps the order of the answers of a day, and notices leave a quarter of an hour after each."""
    found: list[set[Person]] = []
    for day in case.written_on:
        answers = list(dict.fromkeys(row["case_id"] for row in series.ledger if row["day"] == day))
        notices = sorted((at, person) for person, at in _notice_moments(series) if local_day(at) == day)
        if len(answers) == len(notices):
            at = notices[answers.index(case.id)][0]
            found.append({person for moment, person in notices if moment == at})
    return set.intersection(*found) if found else set()


def heard_after_letters(series: Series, case: Case) -> People:
    """Who was last heard later than their answer on a day on which an officer wrote, or on the day after."""
    days = {day + timedelta(days=more) for day in case.written_on for more in (0, 1)} & series.by_day.keys()
    return {person for day in days for person in last_heard(series, day)}


def _on_all(days: Iterable[date], people: Mapping[date, set[Person]]) -> People:
    sets = [people.get(day, set()) for day in days]
    return set.intersection(*sets) if sets else set()
