"""The unit, its officers and an asker in Python keep the protocol's rules, and break them only where a test says so."""

from datetime import date, timedelta
from typing import Any

import pytest

from storage.confidential.protocol import boxes, keys, lists, threads
from storage.confidential.protocol.epochs import Change, Seal
from storage.confidential.protocol.errors import Altered, Expired, Refused, WrongKey
from storage.confidential.protocol.letters import Letter
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Written
from tests.fakes.unit import FIRST_DAY, Keyholder, Unit, new_token

TODAY = date(2026, 11, 23)
RESPONSE = {"state": "open", "due_on": "2026-11-26"}


class Rows:
    """What a server stores of one case, and checks before."""

    def __init__(self, unit: Unit, body: dict[str, Any]) -> None:
        self.unit, self.letters, self.access = unit, list[Letter](), dict[str, Any]()
        self.box, self.version = body["box"], 0
        self.take(body["letter"], body["access"])
        self.take_box(1, body)

    def take(self, letter: Letter, access: list[keys.Access]) -> None:
        context = letter["context"]
        thread = threads.check_thread(self.letters, self.unit.chain) if self.letters else threads.Thread()
        thread = threads.check_posted(thread, letter, self.unit.chain, TODAY)
        if context["grant"]:
            keys.check_rows(access, thread.case, "talk", context["epoch"], thread.readers)
            self.access = {row["reader"]: row for row in access}
        else:
            assert access == []
        self.letters.append(letter)
        self.thread = thread

    def take_box(self, version: int, body: dict[str, Any]) -> None:
        assert version == self.version + 1
        boxes.verify_bundle(self.thread.asker_signing, body["signature"], self.thread.case, version, body["box"])
        self.box, self.version = body["box"], version

    def take_reply(self, body: dict[str, Any]) -> None:
        self.take(body["letter"], body["access"])
        self.take_box(body["version"], body)

    def take_answer(self, officer: Keyholder, text: str, change: Change | None = None) -> Written:
        opened = officer.open(self.letters, self.access[officer.id], self.unit.chain)
        written = officer.answer(opened, self.unit.chain, text, TODAY, change=change)
        self.take(written.letter, written.access)
        return written

    def response(self) -> dict[str, Any]:
        return {
            **RESPONSE,
            "case": self.thread.case,
            "letters": self.letters,
            "access": self.access["asker"],
            "box": self.box,
            "version": self.version,
            "list": self.unit.newest,
        }


def test_a_query_is_asked_answered_and_replied_to() -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    carmen = unit.officer
    rows = Rows(unit, asker.posting(unit, new_token()))
    rows.take_answer(carmen, "Excúsate por escrito.")
    assert asker.read(rows.response()) == ["¿Puedo firmar?", "Excúsate por escrito."]
    rows.take_reply(asker.reply_body(unit, "Gracias."))
    rows.take_reply(asker.reply_body(unit, "Otra cosa."))
    opened = carmen.open(rows.letters, rows.access[carmen.id], unit.chain)
    assert opened.texts == ["¿Puedo firmar?", "Excúsate por escrito.", "Gracias.", "Otra cosa."]
    assert opened.notice
    assert asker.read(rows.response()) == opened.texts


def test_a_new_list_grants_to_who_remains_and_who_is_handed_to() -> None:
    unit, asker, dora = Unit.with_recovery_key(), Asker(TODAY), Keyholder("Dora Luna")
    carmen, respaldo = unit.readers
    rows = Rows(unit, asker.posting(unit, new_token()))
    unit.next_list(adding=[dora])
    assert dora.id not in rows.thread.readers
    assert rows.take_answer(carmen, "Le paso a Dora.", Change(added=(dora.id,))).access
    unit.next_list(ending=[respaldo])
    assert rows.take_answer(dora, "Soy Dora.").letter["context"]["grant"]
    assert set(rows.access) == {carmen.id, dora.id, "asker"}
    assert asker.read(rows.response()) == ["¿Puedo firmar?", "Le paso a Dora.", "Soy Dora."]
    with pytest.raises(WrongKey):
        dora.open(rows.letters, {**rows.access[carmen.id], "reader": dora.id}, unit.chain)


def test_an_asker_excludes_from_the_start_and_later() -> None:
    unit, asker = Unit([Keyholder("Carmen"), Keyholder("Dora"), Keyholder("Efraín")]), Asker(TODAY)
    carmen, dora, efrain = unit.readers
    rows = Rows(unit, asker.posting(unit, new_token(), excluded=[carmen]))
    assert set(rows.access) == {dora.id, efrain.id, "asker"}
    rows.take_reply(asker.reply_body(unit, change=Change(excluded=tuple(sorted((carmen.id, dora.id))))))
    assert set(rows.access) == {efrain.id, "asker"}


def test_every_list_follows_the_one_before_with_two_who_vouch() -> None:
    unit = Unit([Keyholder("Carmen"), Keyholder("Dora"), Keyholder("Efraín")])
    carmen, fulgencio = unit.officer, Keyholder("Fulgencio")
    unit.first_list(days=10)
    unit.next_list(ending=[carmen])
    unit.next_list(adding=[fulgencio], day=FIRST_DAY + timedelta(days=3))
    chain = unit.chain
    assert (chain.serial, len(chain.by_id[fulgencio.id]["proofs"])) == (3, 3)
    assert [chain.is_active(one.id) for one in (carmen, fulgencio)] == [False, True]
    lists.check_alone(unit.newest, unit.pin, FIRST_DAY + timedelta(days=48))
    with pytest.raises(Expired):
        lists.check_alone(unit.newest, unit.pin, FIRST_DAY + timedelta(days=49))
    with pytest.raises(Altered, match=r"list\.prev"):
        lists.check_next(chain, unit.sign({**unit.next_keys(), "prev": chain.hashes[1]}))


def test_a_test_may_have_an_end_break_a_rule() -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    carmen = unit.officer
    rows = Rows(unit, asker.posting(unit, new_token()))
    opened = carmen.open(rows.letters, rows.access[carmen.id], unit.chain)
    granting = Seal(2, True, (carmen.id,), ())
    other_day = carmen.answer(opened, unit.chain, "x", TODAY, seal=granting, context={"day": "2026-11-01"})
    with pytest.raises(Refused, match=r"posted\.day"):
        rows.take(other_day.letter, other_day.access)
    twin = asker.twin()
    rows.take_reply(asker.reply_body(unit))
    with pytest.raises(Altered, match=r"thread\.seq"):
        rows.take_reply(twin.reply_body(unit))


def test_words_open_what_a_browser_sealed_under_them() -> None:
    asker = Asker.with_words("abeja " * 8, TODAY, rounds=10)
    unit = Unit.with_recovery_key()
    rows = Rows(unit, asker.posting(unit, new_token()))
    again = Asker.with_words("ABEJA " * 8, TODAY, rounds=10)
    assert again.locator_hash == asker.locator_hash
    memory = boxes.unwrap_asker(again.wrapping, rows.box, asker.case, 1)
    assert memory["first"] == rows.thread.hashes[0]
