"""What a writer of rows may do to a query that its asker has read, alone or with an officer or administrator."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from storage.confidential import cases
from storage.confidential.protocol import keys, lists
from storage.confidential.protocol.canonical import canonical, encode
from tests.attack.scene import (
    ACCESS,
    ATTACKS,
    CASES,
    FORGED,
    LETTERS,
    LISTS,
    Attack,
    Forger,
    Scene,
    attack,
    flipped,
    put_trust,
)
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Written
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit, new_id, new_key, new_token

NOTES = {"lane": "notes"}
"""Where the asker's page does not look."""

# ---------------------------------------------------------------- cases


@attack("cases.id", "letters.case_id", "access.case_id")
async def another_number_of_the_case(scene: Scene) -> None:
    case, number = CASES.c.id == scene.asker.case, new_id()
    row = dict((await scene.tx.execute(select(CASES).where(case))).one()._mapping)
    await scene.set_case(locator_hash="0" * 64)
    await scene.tx.execute(insert(CASES), row | {"id": number})
    for table in (LETTERS, ACCESS):
        await scene.tx.execute(update(table).where(table.c.case_id == scene.asker.case).values(case_id=number))
    await scene.tx.execute(delete(CASES).where(case))


@attack("cases.locator_hash")
async def the_words_of_another_case(scene: Scene) -> None:
    await scene.set_case(locator_hash="0" * 64)
    other = update(CASES).where(CASES.c.id == scene.other.case)
    await scene.tx.execute(other.values(locator_hash=scene.asker.locator_hash))


@attack("cases.asker_box")
async def the_box_of_another_case(scene: Scene) -> None:
    other = select(CASES.c.asker_box).where(CASES.c.id == scene.other.case)
    await scene.set_case(asker_box=await scene.tx.scalar(other))


@attack("cases.asker_box")
async def a_malformed_box(scene: Scene) -> None:
    await scene.set_case(asker_box="nonsense")


@attack("cases.asker_version")
async def another_version_of_the_box(scene: Scene) -> None:
    await scene.set_case(asker_version=1)


@attack("cases.day", "cases.state", "cases.size_step", "cases.origin", shows="thread")
async def what_sorts_the_queue(scene: Scene) -> None:
    """No claim on the page comes from these."""
    await scene.set_case(day=TODAY.replace(year=2025), state="closed", size_step=31, origin="chat")


@attack("cases.due_on", shows="thread")
async def another_promise_of_the_server(scene: Scene) -> None:
    await scene.set_case(due_on=TODAY.replace(year=2027))


# ---------------------------------------------------------------- access


@attack("access.sealed", shows="wrong-key")
async def a_flipped_key(scene: Scene) -> None:
    row = await cases.access(scene.tx, scene.asker.case, "asker")
    assert row is not None
    await scene.set_access(sealed=flipped(row["sealed"], 100))


@attack("access.sealed")
async def a_malformed_key(scene: Scene) -> None:
    await scene.set_access(sealed="nonsense")


@attack("access.sealed", shows="wrong-key")
async def a_key_of_the_writers(scene: Scene) -> None:
    thread = (await scene.opened()).thread
    asker = thread.grants[0].grant["asker"]
    assert asker is not None
    row = keys.seal_access(os.urandom(32), asker["reading"], scene.asker.case, "talk", 1, "asker")
    await scene.set_access(sealed=row["sealed"])


@attack("access.epoch")
async def a_key_of_another_epoch(scene: Scene) -> None:
    await scene.set_access(epoch=2)


@attack("access.lane", shows="wrong-key")
async def the_key_among_the_notes(scene: Scene) -> None:
    await scene.set_access(**NOTES)


@attack("access.reader", shows="wrong-key")
async def the_key_of_an_officer(scene: Scene) -> None:
    await scene.tx.execute(delete(ACCESS).where(ACCESS.c.case_id == scene.asker.case, ACCESS.c.reader == "asker"))
    await scene.set(ACCESS, ACCESS.c.reader == scene.carmen.id, reader="asker")


@attack("access.case_id", shows="wrong-key")
async def the_key_of_another_case(scene: Scene) -> None:
    row = await cases.access(scene.tx, scene.other.case, "asker")
    assert row is not None
    await scene.set_access(sealed=row["sealed"])


# ---------------------------------------------------------------- letters, by a writer of rows alone


def changed_field(seq: int, name: str, change: Callable[[Scene, Any], Any], *, of_grant: bool = False) -> None:
    """Register the attack that changes one field of a letter's context, or of its grant."""

    async def run(scene: Scene) -> None:
        letter: Any = (await scene.letters())[seq - 1]
        record = letter["context"]["grant"] if of_grant else letter["context"]
        record[name] = change(scene, record[name])
        await scene.set_letter(seq, letter)

    ATTACKS.append(Attack(f"another_{name}_in_letter_{seq}", ("letters.letter",), run, "altered"))


for _seq in (1, 2):
    changed_field(_seq, "v", lambda _, v: v + 1)
    changed_field(_seq, "suite", lambda _, suite: suite + 1)
    changed_field(_seq, "case", lambda scene, _: scene.other.case)
    changed_field(_seq, "lane", lambda *_: "notes")
    changed_field(_seq, "seq", lambda _, seq: seq + 1)
    changed_field(_seq, "epoch", lambda _, epoch: epoch + 1)
    changed_field(_seq, "kind", lambda _, kind: "reply" if kind == "ask" else "question")
    changed_field(_seq, "author", lambda scene, author: scene.carmen.id if author == "asker" else "asker")
    changed_field(_seq, "list", lambda _, serial: 3 - serial)
    changed_field(_seq, "listhash", lambda _, text: flipped(text))
    changed_field(_seq, "day", lambda *_: "2026-11-22")
    changed_field(_seq, "previous", lambda _, text: flipped(text or "A" * 43))
    changed_field(_seq, "lost", lambda *_: ["A" * 43])
changed_field(
    2, "grant", lambda scene, _: {"commit": "A" * 43, "readers": [scene.dora.id], "excluded": [], "asker": None}
)
changed_field(1, "grant", lambda *_: None)
changed_field(1, "commit", lambda _, text: flipped(text), of_grant=True)
changed_field(1, "readers", lambda scene, readers: sorted([*readers, scene.dora.id]), of_grant=True)
changed_field(1, "excluded", lambda scene, _: [scene.dora.id], of_grant=True)
changed_field(1, "asker", lambda scene, asker: {**asker, "signing": scene.box.unit.point}, of_grant=True)


def changed_part(name: str, at: int) -> None:
    """Register the attack that changes one character of a letter's iv, body or signature."""

    async def run(scene: Scene) -> None:
        for seq, letter in enumerate(await scene.letters(), 1):
            await scene.set_letter(seq, {**letter, name: flipped(letter[name], at)})  # type: ignore[literal-required]

    ATTACKS.append(Attack(f"another_{name}", ("letters.letter",), run, "altered"))


changed_part("iv", 3)
changed_part("body", 30)
changed_part("signature", 30)


@attack("letters.letter")
async def a_truncated_body(scene: Scene) -> None:
    letter = (await scene.letters())[1]
    await scene.set_letter(2, {**letter, "body": letter["body"][:-40]})


@attack("letters.letter")
async def no_json_at_all(scene: Scene) -> None:
    await scene.set_letter(2, "nonsense")


@attack("letters.letter")
async def an_extra_field(scene: Scene) -> None:
    await scene.set_letter(1, {**(await scene.letters())[0], "note": "hello"})


@attack("letters.seq")
async def swapped_letters(scene: Scene) -> None:
    for before, after in ((1, 9), (2, 1), (9, 2)):
        await scene.set(LETTERS, LETTERS.c.seq == before, seq=after)


@attack("letters.lane")
async def the_answer_among_the_notes(scene: Scene) -> None:
    await scene.set(LETTERS, LETTERS.c.seq == 2, **NOTES)


@attack("letters.case_id")
async def the_answer_in_another_case(scene: Scene) -> None:
    await scene.set(LETTERS, LETTERS.c.seq == 2, case_id=scene.other.case)


@attack("letters.letter")
async def the_question_of_another_case(scene: Scene) -> None:
    await scene.set_letter(1, (await cases.letters(scene.tx, scene.other.case))[0])


@attack("letters.seq")
async def the_answer_repeated(scene: Scene) -> None:
    row = {"case_id": scene.asker.case, "lane": "talk", "seq": 3, "letter": canonical((await scene.letters())[1])}
    await scene.tx.execute(insert(LETTERS), row)


@attack("letters.letter")
async def no_question(scene: Scene) -> None:
    await scene.remove_letters(1)


@attack("letters.letter")
async def no_answer(scene: Scene) -> None:
    """The asker has read it: the box says so."""
    await scene.remove_letters(2)


@attack("letters.letter")
async def no_letters(scene: Scene) -> None:
    await scene.remove_letters(1, 2)


@attack("letters.letter", "access.sealed")
async def another_question_and_key(scene: Scene) -> None:
    """The asker's public key stands in the first letter: anybody may seal an invented case to it."""
    invented = Asker(TODAY, case=scene.asker.case, reading=scene.asker.reading)
    body = invented.posting(scene.box.unit, new_token(), FORGED)
    await scene.remove_letters(1, 2)
    await scene.store(Written(body["letter"], body["access"], b""))


# ---------------------------------------------------------------- letters, with an officer's key


@attack("letters.letter")
async def an_answer_signed_by_a_stranger(scene: Scene) -> None:
    """By an attacker with the case key, but no officer's signing key."""
    await scene.forge(Forger(scene.carmen.id, new_key()))


@attack("letters.letter")
async def an_answer_in_the_name_of_a_colleague(scene: Scene) -> None:
    await scene.forge(Forger(scene.carmen.id, scene.dora.signing))


@attack("letters.letter")
async def an_answer_of_who_is_no_reader(scene: Scene) -> None:
    await scene.forge(Forger(scene.dora.id, scene.dora.signing))


@attack("letters.letter")
async def a_reply_in_the_name_of_the_asker(scene: Scene) -> None:
    await scene.forge(Forger("asker", scene.carmen.signing))


@attack("letters.letter", "access.sealed")
async def a_grant_signed_by_a_stranger(scene: Scene) -> None:
    await scene.forge(Forger(scene.carmen.id, new_key()), grants=True)


@attack("letters.letter", "access.sealed")
async def a_grant_in_the_name_of_the_asker(scene: Scene) -> None:
    await scene.forge(Forger("asker", scene.carmen.signing), grants=True)


@attack("letters.letter", "access.sealed")
async def a_grant_of_who_is_no_reader(scene: Scene) -> None:
    await scene.forge(Forger(scene.dora.id, scene.dora.signing), grants=True)


@attack("letters.letter", "access.sealed")
async def a_grant_that_excludes(scene: Scene) -> None:
    """Only the asker changes who is excluded."""
    grant = {"commit": encode(bytes(32)), "readers": [scene.carmen.id], "excluded": [scene.dora.id], "asker": None}
    await scene.forge(Forger(scene.carmen.id, scene.carmen.signing), grants=True, grant=grant)


@attack("letters.letter", "access.sealed")
async def a_grant_without_the_former_key(scene: Scene) -> None:
    """By a true reader, who could as well tell what stands in the letters."""
    other = replace(await scene.opened(), key=bytes(32))
    await scene.forge(Forger(scene.carmen.id, scene.carmen.signing), other, grants=True)


# ---------------------------------------------------------------- lists of readers


@attack("key_lists.body")
async def no_list_of_readers(scene: Scene) -> None:
    await scene.tx.execute(delete(LISTS))


@attack("key_lists.serial")
async def lists_in_another_order(scene: Scene) -> None:
    for before, after in ((1, 9), (2, 1), (9, 2)):
        await scene.tx.execute(update(LISTS).where(LISTS.c.serial == before).values(serial=after))


@attack("key_lists.body")
async def the_newest_list_missing(scene: Scene) -> None:
    await scene.tx.execute(delete(LISTS).where(LISTS.c.serial == 2))


@attack("key_lists.body")
async def another_unit(scene: Scene) -> None:
    """With the same officers and their true keys, so that every signature on letters verifies."""
    await scene.set_lists(_twin(scene))


@attack("key_lists.body")
async def an_exchanged_officers_key(scene: Scene) -> None:
    own, other = scene.carmen.join(""), Keyholder("x").join("")
    for row in (await scene.tx.execute(select(LISTS))).all():
        body = row.body.replace(own["signing"], other["signing"])
        await scene.tx.execute(update(LISTS).where(LISTS.c.serial == row.serial).values(body=body))


@attack("key_lists.body")
async def an_older_list_by_the_administrator(scene: Scene) -> None:
    """Who also lowers the floor that the server keeps outside the database."""
    first = scene.box.unit.lists[0]["list"]
    await the_newest_list_missing(scene)
    put_trust(scene.box, scene.box.unit.point, canonical(lists.pin_of(first)))


@attack("key_lists.body")
async def another_unit_by_the_administrator(scene: Scene) -> None:
    """Who also adopts it: it stands in the page."""
    twin = _twin(scene)
    await scene.set_lists(twin)
    put_trust(scene.box, twin.point, canonical(lists.pin_of(twin.newest["list"])))


def _twin(scene: Scene) -> Unit:
    twin = Unit(scene.box.unit.readers)
    twin.first_list()
    twin.next_list()
    return twin


ALTERATIONS = tuple(ATTACKS)
"""All of them: those above, and those that were registered for each field."""
