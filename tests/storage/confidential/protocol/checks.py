"""The checks that tests/vectors/protocol.json names, as calls of the Python implementation."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from storage.confidential.protocol import (
    boxes,
    canonical,
    custody,
    epochs,
    fields,
    keys,
    letters,
    lists,
    notebooks,
    readers,
    signatures,
    statements,
    threads,
    tokens,
)
from storage.confidential.protocol.canonical import decode, encode

Check = Callable[..., Any]


@cache
def _chain(texts: tuple[str, ...], pin: str) -> lists.Chain:
    chain = lists.check_first(lists.read_list(texts[0]), pin)
    for text in texts[1:]:
        chain = lists.check_next(chain, lists.read_list(text))
    return chain


def chain(texts: Sequence[str], pin: str) -> lists.Chain:
    return _chain(tuple(texts), pin)


def thread(texts: Sequence[str], lists_: Sequence[str], pin: str) -> threads.Thread:
    if not texts:
        return threads.Thread()
    return threads.check_thread([letters.read_letter(text) for text in texts], chain(lists_, pin))


def day(text: str) -> date:
    fields.day(text, "day")
    return date.fromisoformat(text)


def private(pkcs8: str) -> ec.EllipticCurvePrivateKey:
    return signatures.import_key(pkcs8)


def _checked(check: fields.Check, where: str) -> Check:
    def run(value: object) -> bool:
        check(value, where)
        return True

    return run


def _signs(point: str, signature: str, label: str, text: str) -> bool:
    signatures.verify(point, signature, label, canonical.read(text), "signed")
    return True


def _check_thread(texts: list[str], lists_: list[str], pin: str) -> dict[str, Any]:
    if not texts:
        threads.check_thread([], chain(lists_, pin))
    made = thread(texts, lists_, pin)
    newest = made.grants[-1]
    return {
        "epoch": newest.epoch,
        "readers": list(made.readers),
        "excluded": list(made.excluded),
        "last": made.hashes[-1],
    }


def _check_posted(
    texts: list[str], letter: str, lists_: list[str], pin: str, today: str, talk: list[str] | None
) -> str:
    known = thread(texts, lists_, pin)
    beside = thread(talk, lists_, pin) if talk else None
    posted = letters.read_letter(letter)
    return threads.check_posted(known, posted, chain(lists_, pin), day(today), beside).hashes[-1]


def _open_thread(texts: list[str], lists_: list[str], pin: str, key: str) -> list[str]:
    return [content["text"] for content in threads.open_thread(thread(texts, lists_, pin), decode(key))]


def _check_seen(texts: list[str], lists_: list[str], pin: str, *seen: Any) -> int:
    return threads.check_seen(thread(texts, lists_, pin), chain(lists_, pin), *seen)


def _next_seal(texts: list[str], lists_: list[str], pin: str, author: str, options: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in options["change"].items()
    }
    talk = thread(options["talk"], lists_, pin) if options["talk"] else None
    changed = {**options, "change": epochs.Change(**given), "talk": talk}
    made = asdict(epochs.next_seal(thread(texts, lists_, pin), chain(lists_, pin), author, **changed))
    return {name: list(one) if isinstance(one, tuple) else one for name, one in made.items()}


def _seal_letter(key: str, context: str, content: str, iv: str, pkcs8: str) -> str:
    read = canonical.read(context), canonical.read(content)
    letter = letters.seal_letter(decode(key), *read, private(pkcs8), decode(iv))
    letters.verify_letter(letter, signatures.point_of(private(pkcs8)))
    return letter["body"]


def _pad(letter: str, times: int) -> int:
    content: letters.Content = {"text": letter * times, "fields": {}, "before": "", "bell": ""}
    padded = letters.pad(content)
    assert letters.unpad(padded) == content
    return len(padded)


def _check_rows(rows: list[str], *place: Any) -> bool:
    keys.check_rows([keys.read_access(row) for row in rows], *place)
    return True


def _verify_bundle(*given: Any) -> bool:
    boxes.verify_bundle(*given)
    return True


def _check_floor(text: str, floor: lists.Pin) -> bool:
    lists.check_floor(lists.read_list(text)["list"], floor)
    return True


def _walk(pin: lists.Pin, texts: list[str], unit: str) -> int:
    return lists.walk(pin, [lists.read_list(text) for text in texts], unit).serial


def _check_erase(text: str, texts: list[str], lists_: list[str], pin: str) -> bool:
    statements.check_erase(statements.read_erase(text), thread(texts, lists_, pin), chain(lists_, pin))
    return True


def _custody(text: str) -> custody.Custody:
    return custody.parse_custody(canonical.read(text))["custody"]


def _open_custody(text: str, present: dict[str, str]) -> str:
    return _written(custody.open_custody(_custody(text), {one: private(pkcs8) for one, pkcs8 in present.items()}))


def _check_kept(text: str, lists_: list[str], pin: str) -> bool:
    custody.check_kept(canonical.read(text), chain(lists_, pin))
    return True


def _check_rehearsal(text: str, of: str, lists_: list[str], pin: str) -> bool:
    given = custody.parse_rehearsal(canonical.read(text))
    return bool(custody.check_rehearsal(given, _custody(of), chain(lists_, pin)))


def _check_use(text: str, of: str, lists_: list[str], pin: str, today: str) -> bool:
    return bool(
        custody.check_use(custody.parse_use(canonical.read(text)), _custody(of), chain(lists_, pin), day(today))
    )


def _found(found: list[notebooks.Finding]) -> list[str]:
    return [f"{one.case} {one.lane} {one.what}" for one in found]


def _merge(
    mine: str, stored: str, hashes: dict[str, str], list_hashes: dict[str, str], erased: list[str]
) -> dict[str, Any]:
    def hash_at(case: str, lane: str, seq: int) -> str | None:
        return hashes.get(f"{case} {lane} {seq}")

    known = {int(serial): value for serial, value in list_hashes.items()}
    ours, theirs = (notebooks.check_notebook(canonical.read(text)) for text in (mine, stored))
    merged, found = notebooks.merge(ours, theirs, hash_at, known, erased)
    return {"notebook": canonical.canonical(merged), "found": _found(found)}


def _written(made: object) -> str:
    return canonical.canonical(made)


CHECKS: dict[str, Check] = {
    "bound": lambda label, text: encode(canonical.bound(label, canonical.read(text))),
    "writes": lambda units: canonical.canonical("".join(map(chr, units))),
    "digest": lambda label, text: canonical.digest(label, canonical.read(text)),
    "signs": _signs,
    "decode": lambda text: decode(text).hex(),
    "point": _checked(fields.point, "point"),
    "day": _checked(fields.day, "day"),
    "local_day": lambda moment: fields.local_day(datetime.fromisoformat(moment)).isoformat(),
    "unit_pin": lists.unit_pin,
    "unit_fingerprint": lists.unit_fingerprint,
    "spoken_fingerprint": lambda text: readers.spoken_fingerprint(canonical.read(text)),
    "commit": lambda key, *place: keys.commit(decode(key), *place),
    "read_access": lambda text: bool(keys.read_access(text)),
    "open_access": lambda text, pkcs8, commit: encode(keys.open_access(keys.read_access(text), private(pkcs8), commit)),
    "check_rows": _check_rows,
    "open_draft": lambda sealed, pkcs8, *place: encode(
        keys.open_draft(sealed, private(pkcs8), keys.draft_info(*place))
    ),
    "read_letter": lambda text: letters.letter_hash(letters.read_letter(text)),
    "open_letter": lambda key, text: _written(letters.open_letter(decode(key), letters.read_letter(text))),
    "seal_letter": _seal_letter,
    "pad": _pad,
    "locator": lambda words: encode(boxes.derive(boxes.asker_secret(words), "locator")),
    "unwrap_asker": lambda key, *given: _written(boxes.unwrap_asker(decode(key), *given)),
    "verify_bundle": _verify_bundle,
    "unwrap_officer": lambda key, *given: _written(boxes.unwrap_officer(decode(key), *given)),
    "open_unit_key": lambda sealed, officer, unit, pkcs8: signatures.export_key(
        keys.open_unit_key(sealed, officer, unit, private(pkcs8))
    ),
    "custodian_fingerprint": lambda text: custody.spoken_fingerprint(canonical.read(text)),
    "unwrap_custodian": lambda key, box, text: signatures.export_key(
        custody.unwrap_custodian(decode(key), box, canonical.read(text))
    ),
    "check_custody": lambda text, unit: bool(custody.check_custody(custody.parse_custody(canonical.read(text)), unit)),
    "open_custody": _open_custody,
    "check_kept": _check_kept,
    "check_rehearsal": _check_rehearsal,
    "check_use": _check_use,
    "bell": lambda token: tokens.bell(decode(token)),
    "entry_row": lambda key, token: tokens.entry_row(decode(key), decode(token)),
    "route_row": lambda key, one: tokens.route_row(decode(key), one),
    "session_mac": lambda key, token, *given: tokens.session_mac(decode(key), decode(token), *given),
    "read_list": lambda text: lists.list_hash(lists.read_list(text)["list"]),
    "check_alone": lambda text, pin, today: lists.check_alone(lists.read_list(text), pin, day(today)).serial,
    "check_pinned": lambda text, pin, seen: lists.check_pinned(lists.read_list(text), pin, seen).serial,
    "check_chain": lambda texts, pin: lists.list_hash(chain(texts, pin).newest),
    "walk": _walk,
    "walk_all": lambda texts, pin: lists.walk_all([lists.read_list(text) for text in texts], pin).serial,
    "successions_since": lambda texts, pin, since: [
        one["succ"]["next"] for one in chain(texts, pin).successions_since(since)
    ],
    "check_floor": _check_floor,
    "read_erase": lambda text: bool(statements.read_erase(text)),
    "check_erase": _check_erase,
    "check_thread": _check_thread,
    "check_posted": _check_posted,
    "open_thread": _open_thread,
    "check_seen": _check_seen,
    "next_seal": _next_seal,
    "check_notebook": lambda text: bool(notebooks.check_notebook(canonical.read(text))),
    "open_notebook": lambda key, *given: _written(notebooks.open_notebook(decode(key), *given)),
    "merge": _merge,
    "compare_heads": lambda text, heads, erased: _found(
        notebooks.compare_heads(notebooks.check_notebook(canonical.read(text)), heads, erased)
    ),
}
"""Each check by its name in the vectors."""
