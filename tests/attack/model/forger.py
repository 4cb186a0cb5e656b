"""What a writer of rows makes with keys of his own: lists, access, letters, boxes, whole cases."""

import random
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives import hpke

from storage import schema
from storage.confidential.protocol import boxes, fields, keys, letters, lists, readers, signatures, successions
from storage.confidential.protocol.canonical import canonical, encode
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.signatures import point_of
from storage.confidential.protocol.successions import SignedSuccession
from storage.database import Transaction
from tests.attack.model.keyring import Keyring, access_row, parsed
from tests.attack.model.people import drawn_key
from tests.attack.model.rows import NOTHING, Move, Row, Snapshot, put

SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Forger:
    """The writer's moves that need a key."""

    def __init__(self, rng: random.Random, keyring: Keyring) -> None:
        self.rng, self.keyring, self.colluding = rng, keyring, keyring.colluding
        self.focus, self.number, self.unit = "", 0, drawn_key(rng)

    @property
    def moves(self) -> Sequence[Move]:
        """The moves that need a key."""
        return self.make_access, self.make_letter, self.make_case, self.make_list, self.make_box, self.change_letter

    def _letters(self, now: Snapshot) -> list[Letter]:
        """The letters of a case, those that can be read."""
        cases = sorted({row["case_id"] for row in now["letters"]})
        if not cases:
            return []
        case = self.focus if self.focus in cases else self.rng.choice(cases)
        rows = sorted((row for row in now["letters"] if row["case_id"] == case), key=lambda row: row["seq"])
        return [letter for row in rows if (letter := parsed(row["letter"])) and letter["context"]["case"] == case]

    def _list(self, now: Snapshot) -> Any:
        """The newest list that stands in the rows."""
        newest_first = sorted(now["key_lists"], key=lambda row: -row["serial"])
        return next((signed for row in newest_first if (signed := _parsed_list(row["body"]))), None)

    def _points(self, now: Snapshot, thread: Sequence[Letter]) -> dict[str, str]:
        """Public reading keys: of all readers in the newest list, and of the asker."""
        signed = self._list(now)
        points = {one["join"]["id"]: one["join"]["reading"] for one in signed["list"]["readers"]} if signed else {}
        grant = thread[0]["context"]["grant"] if thread else None
        if grant and grant["asker"]:
            points[fields.ASKER] = grant["asker"]["reading"]
        return points

    # ------------------------------------------------------------ moves

    async def make_access(self, tx: Transaction, now: Snapshot) -> str:
        """Seal a key of his own to the readers of a case, or to one of them."""
        thread = self._letters(now)
        points = sorted(self._points(now, thread).items())
        if not thread or not points:
            return NOTHING
        grants: list[Any] = [one["context"] for one in thread if one["context"]["grant"]]
        case, epoch = thread[0]["context"]["case"], (grants[-1]["epoch"] if grants else 1) + self.rng.choice((0, 1))
        if self.rng.random() < 0.3:
            points = [self.rng.choice(points)]
        key, is_bound = self.keyring.own_key(case), self.rng.random() < 0.5
        commitment = grants[-1]["grant"]["commit"] if grants and is_bound else keys.commit(key, case, "talk", epoch)
        for reader, point in points:
            sealed = SUITE.encrypt(
                key, fields.public_key(point), info=keys.access_info(case, "talk", epoch, reader, commitment)
            )
            row: Any = {"case": case, "lane": "talk", "epoch": epoch, "reader": reader, "sealed": encode(sealed)}
            await put(tx, schema.access, access_row(row))
        return f"own key of {case[:6]} for epoch {epoch} to {len(points)}"

    async def make_letter(self, tx: Transaction, now: Snapshot) -> str:
        """Write a letter with a key that he knows, as the asker or an officer, often with a grant of his own."""
        thread, signed = self._letters(now), self._list(now)
        if not thread or not signed:
            return NOTHING
        seq = self.rng.randint(1, len(thread)) if self._errs() else len(thread) + 1
        made = self._letter(thread[: seq - 1], thread[0], signed, now)
        if made is None:
            return NOTHING
        await put(tx, schema.letters, _row(made))
        if made["context"]["grant"] and not self._errs():
            await self._grant_access(tx, now, thread, made)
        context, grants = made["context"], " grants" if made["context"]["grant"] else ""
        place = f"{context['case'][:6]}/{seq} epoch {context['epoch']}"
        return f"letter {context['kind']} {place}{grants} as {context['author'][:6]}"

    def _errs(self) -> bool:
        """Whether he leaves the rules in one point."""
        return self.rng.random() < 0.15

    def _letter(self, before: Sequence[Letter], first: Letter, signed: Any, now: Snapshot) -> Letter | None:
        case, grants = first["context"]["case"], [one["context"] for one in before if one["context"]["grant"]]
        members = sorted(one["join"]["id"] for one in signed["list"]["readers"])
        author = self.rng.choice((fields.ASKER, *members, *[one.id for one in self.colluding] * 3))
        is_grant = not before or self.rng.random() < 0.6
        epoch, former = (grants[-1]["epoch"] if grants else 0) + is_grant, self.keyring.newest_key(case, grants)
        key = self.keyring.own_key(case) if is_grant or former is None else former
        context = {
            "v": 2,
            "suite": 1,
            "case": case,
            "lane": "talk",
            "seq": len(before) + 1,
            "epoch": epoch,
            "kind": self._kind(author, before),
            "author": author,
            **self._known_list(now, signed, author),
            "day": first["context"]["day"],
            "previous": letters.letter_hash(before[-1]) if before else "",
            "grant": self._grant(case, epoch, key, first, grants, signed) if is_grant else None,
            "lost": [],
        }
        if context["kind"] == "resume":
            context["lost"] = [self._any_hash(now)]
        return self._sealed(key, context, encode(former or key) if is_grant and epoch > 1 else "")

    def _kind(self, author: str, before: Sequence[Letter]) -> str:
        if self._errs():
            return self.rng.choice(letters.KINDS)
        if author == fields.ASKER:
            return "reply" if before else "ask"
        return self.rng.choice(("answer", "answer", "question", "hand", "resume"))

    async def _grant_access(self, tx: Transaction, now: Snapshot, thread: Sequence[Letter], made: Letter) -> None:
        """Put the rows beside a granting letter of his, as the server would."""
        grant, epoch, case = made["context"]["grant"], made["context"]["epoch"], made["context"]["case"]
        able = [
            one
            for one in sorted(self.keyring.case_keys[case])
            if grant and keys.commit(one, case, "talk", epoch) == grant["commit"]
        ]
        for reader, point in sorted(self._points(now, thread).items()):
            if grant and able and reader in (*grant["readers"], fields.ASKER):
                await put(tx, schema.access, access_row(keys.seal_access(able[0], point, case, "talk", epoch, reader)))

    def _known_list(self, now: Snapshot, signed: Any, author: str = "") -> dict[str, Any]:
        """The newest list or an earlier one, as a letter names it; often one in which its author had not left."""
        known = [signed, *[one for row in now["key_lists"] if (one := _parsed_list(row["body"]))]]
        active = [one for one in known if not _has_left(one, author)]
        chosen = self.rng.choice(known if self._errs() or not active else active)["list"]
        return {"list": chosen["serial"], "listhash": lists.list_hash(chosen)}

    def _grant(
        self, case: str, epoch: int, key: bytes, first: Letter, grants: Sequence[Mapping[str, Any]], signed: Any
    ) -> dict[str, Any]:
        true = grants[-1]["grant"] if grants else first["context"]["grant"]
        ended = {one["join"]["id"] for one in signed["list"]["readers"] if one["ended"] or self._errs()}
        named = true["readers"] if true else [one["join"]["id"] for one in signed["list"]["readers"]]
        if self.rng.random() < 0.7:
            named = [one for one in named if one not in ended]
        if self.rng.random() < 0.3:
            named = [one for one in named if self.rng.random() < 0.6]
        named = [*named, *[one.id for one in self.colluding if self._errs()]]
        own = {"reading": point_of(self.keyring.pairs[0]), "signing": point_of(self.keyring.pairs[1])}
        true_keys = first["context"]["grant"]["asker"] if first["context"]["grant"] else None
        asker = self.rng.choice((own, {**own, "reading": true_keys["reading"]} if true_keys else own, true_keys))
        return {
            "commit": keys.commit(key, case, "talk", epoch),
            "readers": sorted(set(named)),
            "excluded": [*true["excluded"]] if true and not self._errs() else [],
            "asker": asker if epoch == 1 else None,
        }

    def _sealed(self, key: bytes, context: Any, before: str) -> Letter | None:
        self.number += 1
        content: Any = {"text": f"invented {self.number}", "fields": {}, "before": before, "bell": ""}
        signing = next((one.signing for one in self.colluding if one.id == context["author"]), self.keyring.pairs[1])
        try:
            return letters.seal_letter(key, context, content, signing)
        except ProtocolError:
            return None

    def _any_hash(self, now: Snapshot) -> str:
        known = [one for row in now["letters"] if (one := parsed(row["letter"]))]
        return letters.letter_hash(self.rng.choice(known)) if known else encode(self.rng.randbytes(32))

    async def make_case(self, tx: Transaction, now: Snapshot) -> str:
        """Put a first letter of his own, with access for all, in the place of an asker's."""
        thread, signed = self._letters(now), self._list(now)
        if not thread or not signed:
            return NOTHING
        case, key = thread[0]["context"]["case"], self.keyring.own_key(thread[0]["context"]["case"])
        own = {"reading": point_of(self.keyring.pairs[0]), "signing": point_of(self.keyring.pairs[1])}
        members = sorted(one["join"]["id"] for one in signed["list"]["readers"] if not one["ended"])
        grant = {"commit": keys.commit(key, case, "talk", 1), "readers": members, "excluded": [], "asker": own}
        context = {**thread[0]["context"], "epoch": 1, "seq": 1, "kind": "ask", "previous": "", "grant": grant}
        made = self._sealed(key, {**context, "author": fields.ASKER, "lost": [], **self._known_list(now, signed)}, "")
        if made is None:
            return NOTHING
        await put(tx, schema.letters, _row(made))
        for reader, point in sorted({**self._points(now, thread), fields.ASKER: own["reading"]}.items()):
            await put(tx, schema.access, access_row(keys.seal_access(key, point, case, "talk", 1, reader)))
        return f"own first letter in {case[:6]}"

    async def make_list(self, tx: Transaction, now: Snapshot) -> str:
        """Sign a list with a unit's key of his own: officers' true keys or his, as list 1, the newest or the next.

        Often he says that his key follows the true one.
        """
        signed = self._list(now)
        if not signed:
            return NOTHING
        keys_of, is_own_unit = signed["list"], self.rng.random() < 0.7
        serial = keys_of["serial"] + self.rng.choice((0, 1))
        unit = point_of(self.unit) if is_own_unit else keys_of["unit"]
        succ = self._successions(signed, unit)
        entries = [self._entry(one, one["join"]["unit"] if succ else unit) for one in keys_of["readers"]]
        made: Any = {**keys_of, "unit": unit, "serial": serial, "readers": entries}
        if serial > keys_of["serial"]:
            made["prev"] = lists.list_hash(keys_of)
        text = canonical(lists.sign_list(self.unit, made, succ))
        await put(tx, schema.key_lists, {"serial": serial, "body": text})
        return f"own list {serial} of {'his' if is_own_unit else 'the true'} unit"

    def _successions(self, signed: Any, unit: str) -> list[SignedSuccession]:
        """What he says led to his key: what led to the true one, and often a word of his own or of his helpers."""
        true, keys_of = [*signed["succ"]], signed["list"]
        if unit == keys_of["unit"] or self.rng.random() < 0.4 or len(true) == successions.MOST:
            return true
        succ: Any = {
            "v": 2,
            "old": keys_of["unit"],
            "next": unit,
            "serial": keys_of["serial"],
            "day": keys_of["day"],
        }
        officers = [one["join"]["id"] for one in keys_of["readers"] if one["join"]["role"] == "officer"]
        signers = self.rng.choice(
            (
                [("unit", self.unit)],
                [(one.id, one.signing) for one in self.colluding] or [("unit", self.unit)],
                [(one, self.keyring.pairs[1]) for one in officers],
            )
        )
        given: Any = [{"by": by, "signature": signatures.sign(key, "succ", succ)} for by, key in signers[:2]]
        return [*true, {"succ": succ, "signatures": sorted(given, key=lambda one: one["by"])}]

    def _entry(self, reader: Any, unit: str) -> Any:
        """A reader of his list, with the true keys or with his own."""
        join: Any = {**reader["join"], "unit": unit}
        if self.rng.random() < 0.6:
            return {**reader, "join": join}
        pair = drawn_key(self.rng)
        join |= {"reading": point_of(self.keyring.pairs[0]), "signing": point_of(pair)}
        return {**reader, "join": join, "proofs": [readers.prove(pair, join["id"], join)]}

    async def make_box(self, tx: Transaction, now: Snapshot) -> str:
        """Put a box of his own into a case or an officer's row."""
        rows = [(schema.cases, "asker_box", one) for one in now["cases"]]
        rows += [(schema.officers, self.rng.choice(("notebook", "bundle")), one) for one in now["officers"]]
        if not rows:
            return NOTHING
        table, column, row = self.rng.choice(rows)
        box = boxes.encrypt(self.rng.randbytes(32), self.rng.randbytes(500), b"")
        await put(tx, table, {**row, column: canonical(box)})
        return f"own {column} in {row['id'][:6]}"

    async def change_letter(self, tx: Transaction, now: Snapshot) -> str:
        """Change one field of a true letter, with its true signature or with one of his own."""
        thread = self._letters(now)
        if not thread:
            return NOTHING
        letter, other = self.rng.choice(thread), self.rng.choice(thread)
        field = self.rng.choice(("epoch", "kind", "author", "day", "previous", "grant", "list", "seq", "lost"))
        context: Any = {**letter["context"], field: other["context"][field]}  # type: ignore[literal-required]
        whole: Any = {**letter, "context": context}
        if self.rng.random() < 0.5:
            signed = {name: whole[name] for name in ("context", "iv", "body")}
            whole["signature"] = signatures.sign(self.keyring.pairs[1], "letter", signed)
        await put(tx, schema.letters, {**_row(letter), "letter": canonical(whole)})
        return f"{field} of letter {context['case'][:6]}/{letter['context']['seq']}"


@lru_cache(maxsize=4096)
def _parsed_list(text: str) -> Any:
    try:
        return lists.read_list(text)
    except ProtocolError:
        return None


def _has_left(signed: Any, reader: str) -> bool:
    return any(one["join"]["id"] == reader and one["ended"] for one in signed["list"]["readers"])


def _row(letter: Letter) -> Row:
    context = letter["context"]
    return {"case_id": context["case"], "lane": "talk", "seq": context["seq"], "letter": canonical(letter)}
