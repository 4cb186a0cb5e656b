"""Vectors of canonical JSON, base64url, days, points, pins, case keys and single letters."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import (
    access,
    b64,
    bound,
    commit,
    digest,
    encrypt,
    fixed,
    grouped,
    hkdf,
    hpke_seal,
    key,
    letter_hash,
    other_form,
    padded,
    pin,
    pkcs8,
    point,
    raw_point,
    sha,
    sign,
    text,
    unb64,
)

IV = fixed("iv", 12)
LETTER = json.loads(story.ASK)
LETTER_KEY = b64(story.case_key("talk", 1))
INSIDE = {"text": "¿Puedo firmar? 🙂", "fields": {"name": "Inés"}, "before": "", "bell": b64(fixed("bell"))}
NOT_CANONICAL = {  # JSON, by what is wrong with it
    "a lone surrogate": '"\\ud800"',
    "a lone low surrogate in a list": '["\\udc00a"]',
    "surrogates in the wrong order": '"\\ude42\\ud83d"',
    "an escaped pair": '"\\ud83d\\ude42"',
    "a letter that is escaped without need": '"\\u0061"',
    "an upper-case escape": '"\\u001F"',
    "an escaped slash": '"\\/"',
    "a fraction": "1.5",
    "a whole number with a fraction": "1.0",
    "an exponent": "1e2",
    "minus zero": "-0",
    "a leading zero": "01",
    "plus": "+1",
    "2^53": "9007199254740992",
    "2^53 + 1": "9007199254740993",
    "-2^53": "-9007199254740992",
    "a number of 400 digits": "1" + "0" * 400,
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "a key that is not ASCII": '{"ñ":1}',
    "keys in another order": '{"b":1,"a":2}',
    "keys in the order of numbers": '{"9":1,"10":2}',
    "a doubled key": '{"a":1,"a":1}',
    "a doubled __proto__": '{"__proto__":1,"__proto__":1}',
    "a space": '{"a": 1}',
    "a line break at the end": "1\n",
    "a byte order mark": "\ufeff1",
    "single quotes": "'a'",
    "a comma too many": "[1,]",
    "a control character": '"\t"',
    "nothing": "",
    "17 levels": "[" * 17 + "]" * 17,
    "5,000 levels": "[" * 5000 + "]" * 5000,
}


def add_all(to: Collection) -> None:
    _canonical(to)
    _not_canonical(to)
    _limits_of_json(to)
    _signatures(to)
    _values(to)
    _pins(to)
    _keys(to)
    _letter(to)
    _letter_contexts(to)
    _body_sizes(to)
    _opened_letter(to)
    _sealed_letter(to)
    _padded_sizes(to)
    _wrong_contents(to)


def _canonical(to: Collection) -> None:
    """Values of each type, as they are bound and hashed."""
    strange = 'ñ\n"\\/\u2028\x00\x7f\x1f🙂'
    nested = {"b": [1, True, None, strange], "a": {"10": 1, "9": 2, "": -5}}
    values: tuple[Any, ...] = (nested, [], 0, -1, "", 2**53 - 1, False)
    for value in values:
        to.gives("bound", f"T of {text(value)[:20]}", ["any", text(value)], b64(bound("any", value)))
        to.gives("digest", f"hash of {text(value)[:20]}", ["any", text(value)], digest("any", value))


def _not_canonical(to: Collection) -> None:
    for name, given in NOT_CANONICAL.items():
        to.refuses("bound", f"JSON with {name}", ["any", given], "malformed", "json")


def _limits_of_json(to: Collection) -> None:
    """The deepest nesting that is allowed, a key that JavaScript uses itself, and texts with a lone surrogate."""
    to.gives("bound", "16 levels", ["any", "[" * 16 + "]" * 16], b64(bound("any", json.loads("[" * 16 + "]" * 16))))
    to.gives("bound", "__proto__", ["any", '{"__proto__":1}'], b64(b'integra/2/any\n{"__proto__":1}'))
    to.gives("writes", "a text", [[0x61, 0x2028, 0x7F]], '"a\u2028\x7f"')
    for unit in (0xD800, 0xDFFF):
        to.refuses("writes", f"a lone surrogate {unit:x}", [[0x61, unit]], "malformed", "json")


def _signatures(to: Collection) -> None:
    to.gives("signs", "a signature", [point(story.UNIT), sign(story.UNIT, "any", 1), "any", "1"], True)
    to.gives("signs", "(r, n - s)", [point(story.UNIT), other_form(sign(story.UNIT, "any", 1)), "any", "1"], True)
    for name, signature, label in (
        ("another label", sign(story.UNIT, "other", 1), "any"),
        ("another signer", sign(story.OTHER_UNIT, "any", 1), "any"),
        ("zeros", b64(bytes(64)), "any"),
        ("r and s too large", b64(b"\xff" * 64), "any"),
    ):
        to.refuses("signs", f"signature: {name}", [point(story.UNIT), signature, label, "1"], "altered", "signed")
    off = b64(unb64(point(story.UNIT))[:-1] + b"\0")
    to.refuses("signs", "signature: no key", [off, sign(story.UNIT, "any", 1), "any", "1"], "altered", "signed")
    for size in (63, 65, 70):
        args = [point(story.UNIT), b64((fixed("long") * 3)[:size]), "any", "1"]
        to.refuses("signs", f"signature of {size} bytes", args, "malformed", "signed")


def _values(to: Collection) -> None:
    for raw in (b"", b"\0", b"\xff\xfe", fixed("bytes")):
        to.gives("decode", f"bytes {raw.hex()[:8]}", [b64(raw)], raw.hex())
    for wrong in ("A", "AB", "AA==", "A A", "A+/A", "AAA\n", "ñandú", "____=", "AAAAA", "AA AA", "//8"):
        to.refuses("decode", f"base64url {wrong!r}", [wrong], "malformed", "base64url")
    right = point(story.UNIT)
    to.gives("point", "a point", [right], True)
    raw = unb64(right)
    x, y, p = raw[1:33], raw[33:], 2**256 - 2**224 + 2**192 + 2**96 - 1
    for name, wrong_raw in (
        ("off the curve", raw[:64] + bytes([raw[64] ^ 1])),
        ("compressed", bytes([2 + (y[-1] & 1)]) + x),
        ("hybrid", bytes([6 + (y[-1] & 1)]) + raw[1:]),
        ("zeros", b"\4" + bytes(64)),
        ("at infinity", b"\0"),
        ("with x beyond the field", _small_point(p)),
    ):
        to.refuses("point", f"point {name}", [b64(wrong_raw)], "malformed", "point")
    for day in ("2026-11-20", "2028-02-29", "2099-12-31"):
        to.gives("day", day, [day], True)
    for wrong_day in (
        "2026-11-31",
        "2027-02-29",
        "20261120",
        "2026-1-2",
        "1999-12-31",
        "2026-00-10",
        "+2026-1-1",
        " 2026-11-20",
    ):
        to.refuses("day", f"day {wrong_day}", [wrong_day], "malformed", "day")
    for moment, day in (
        ("2026-11-20T05:59:59Z", "2026-11-19"),
        ("2026-11-20T06:00:00Z", "2026-11-20"),
        ("2026-07-01T05:59:59Z", "2026-06-30"),
    ):
        to.gives("local_day", moment, [moment], day)


def _small_point(p: int) -> bytes:
    """A point of the curve with a small x, which is written as x + p: equal modulo p, but another spelling."""
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    for x in range(1, 100):
        square = (x**3 - 3 * x + b) % p
        y = pow(square, (p + 1) // 4, p)
        if y * y % p == square:
            return b"\4" + (x + p).to_bytes(32, "big") + y.to_bytes(32, "big")
    raise AssertionError("no such point")


def _pins(to: Collection) -> None:
    unit = point(story.UNIT)
    to.gives("unit_pin", "pin of the unit", [unit], pin(unit))
    to.gives("unit_fingerprint", "the unit's fingerprint", [unit], grouped(sha(b"integra/2/unit\n" + unb64(unit))))
    statement = story.join(story.ANA)
    to.gives("spoken_fingerprint", "spoken fingerprint", [text(statement)], grouped(sha(bound("join", statement))))


def _keys(to: Collection) -> None:
    secret, reading = story.case_key("talk", 1), story.ANA.reading
    committed = commit(secret, story.CASE, "talk", 1)
    to.gives("commit", "commit", [b64(secret), story.CASE, "talk", 1], committed)
    to.gives(
        "commit", "commit of epoch 12", [b64(secret), story.CASE, "notes", 12], commit(secret, story.CASE, "notes", 12)
    )
    row = access(secret, reading, story.CASE, "talk", 1, story.ANA.id)
    to.faults("read_access", row, "access")
    to.gives("read_access", "a row of access", [text(row)], True)
    to.gives("open_access", "a key that was sealed", [text(row), pkcs8(reading), committed], b64(secret))
    for name, other, private, commitment in (
        ("to another reader", row, story.BEA.reading, committed),
        ("another row's name", {**row, "reader": story.BEA.id}, reading, committed),
        ("another epoch", {**row, "epoch": 2}, reading, committed),
        ("another lane", {**row, "lane": "notes"}, reading, committed),
        ("another commit", row, reading, commit(fixed("x"), story.CASE, "talk", 1)),
    ):
        to.refuses(
            "open_access", f"access: {name}", [text(other), pkcs8(private), commitment], "wrong_key", "access.sealed"
        )
    other_curve = ec.derive_private_key(7, ec.SECP384R1())
    # Another object identifier in the place of P-256: a curve that no library knows.
    unknown = b64(unb64(pkcs8(reading)).replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03013f")))
    for name, wrong_key in (("of P-384", pkcs8(other_curve)), ("of an unknown curve", unknown), ("of 3 bytes", "AAAA")):
        to.refuses("open_access", f"a key {name}", [text(row), wrong_key, committed], "malformed", "key")
    rubbish = access(fixed("x"), reading, story.CASE, "talk", 1, story.ANA.id, committed=secret)
    to.refuses(
        "open_access", "access to another key", [text(rubbish), pkcs8(reading), committed], "wrong_key", "access.commit"
    )
    names = [story.ANA.id, story.BEA.id]
    place = [story.CASE, "talk", 1, names]
    rows = [text({**row, "reader": one}) for one in (*names, "asker")]
    to.gives("check_rows", "rows of a grant", [rows, *place], True)
    to.gives("check_rows", "rows of notes", [[text({**row, "lane": "notes"})], story.CASE, "notes", 1, names[:1]], True)
    for name, wrong in {
        "too few": rows[:2],
        "doubled": [*rows, rows[0]],
        "one more": [*rows, text({**row, "reader": story.CARLA.id})],
        "of another epoch": [text({**json.loads(one), "epoch": 2}) for one in rows],
    }.items():
        to.refuses("check_rows", f"rows {name}", [wrong, *place], "altered", "access.rows")
    info = {"case": story.CASE, "lane": "talk", "seq": 2, "author": story.ANA.id}
    draft = b64(hpke_seal(raw_point(reading), bound("draft", info), b"borrador", key("draft")))
    to.gives("open_draft", "a draft", [draft, pkcs8(reading), *info.values()], b64(b"borrador"))
    to.refuses(
        "open_draft",
        "a draft of another letter",
        [draft, pkcs8(reading), *{**info, "seq": 3}.values()],
        "altered",
        "draft",
    )


def _letter(to: Collection) -> None:
    """A letter, each fault of its form, and its hash under the other form of its signature."""
    to.gives("read_letter", "a letter", [story.ASK], letter_hash(story.ASK))
    to.faults("read_letter", LETTER, "letter")
    form = text({**LETTER, "signature": other_form(LETTER["signature"])})
    to.gives("read_letter", "a letter with (r, n - s) has the same hash", [form], letter_hash(story.ASK))


def _letter_contexts(to: Collection) -> None:
    """Contexts whose fields do not agree with each other."""
    context, grant = LETTER["context"], LETTER["context"]["grant"]

    def refused(name: str, field: str, **changes: Any) -> None:
        given = text({**LETTER, "context": {**context, **changes}})
        to.refuses("read_letter", f"letter: {name}", [given], "malformed", f"letter.context.{field}")

    lost = [digest("letter", {})]
    refused("lost without resume", "lost", lost=lost)
    refused("resume without lost", "lost", kind="resume")
    refused("one hash lost twice", "lost", kind="resume", lost=lost * 2)
    refused("first with a previous", "previous", previous=lost[0])
    refused("second without a previous", "previous", seq=2)
    refused("an epoch that cannot be", "epoch", epoch=2)
    refused("first without the asker's keys", "grant.asker", grant={**grant, "asker": None})
    refused("notes with the asker's keys", "grant.asker", lane="notes")
    refused("no readers", "grant.readers", grant={**grant, "readers": []})
    refused("readers out of order", "grant.readers", grant={**grant, "readers": grant["readers"][::-1]})
    refused("a reader twice", "grant.readers", grant={**grant, "readers": grant["readers"][:1] * 2})
    refused("the asker among the readers", "grant.readers", grant={**grant, "readers": ["asker"]})


def _body_sizes(to: Collection) -> None:
    for size in (2048 + 15, 2049 + 16, 3072 + 16, 32769 + 16):
        given = {"base": story.ASK, "at": _body(story.ASK), "put": b64(bytes(size))}
        to.refuses("read_letter", f"a body of {size} bytes", [given], "malformed", "letter.body")


def _opened_letter(to: Collection) -> None:
    """A letter with its key, with another key and with another context."""
    to.gives("open_letter", "an open letter", [LETTER_KEY, story.ASK], text(INSIDE))
    to.refuses("open_letter", "another key", [b64(fixed("x")), story.ASK], "altered", "letter.body")
    other_day = text({**LETTER, "context": {**LETTER["context"], "day": "2026-11-21"}})
    to.refuses("open_letter", "another day", [LETTER_KEY, other_day], "altered", "letter.body")


def _sealed_letter(to: Collection) -> None:
    context = LETTER["context"]
    sealed = [LETTER_KEY, text(context), text(INSIDE), b64(IV), pkcs8(story.ASKER.signing)]
    key_of_letter = hkdf(story.case_key("talk", 1), bound("key", context))
    to.gives("seal_letter", "a body", sealed, encrypt(key_of_letter, IV, padded(INSIDE), bound("letter", context)))


def _padded_sizes(to: Collection) -> None:
    """The sizes that texts are padded to, and texts that are too long."""
    for length, size in ((1999, 2048), (2000, 4096), (32719, 32768)):
        long = {"text": "a" * length, "fields": {}, "before": "", "bell": ""}
        assert len(padded(long)) == size, (length, len(text(long)))
        to.gives("pad", f"{length} letters", ["a", length], size)
    to.refuses("pad", "a text too long", ["a", 32720], "refused", "content.size")
    to.refuses("pad", "bytes too long", ["ñ", 16385], "malformed", "content.text")


def _wrong_contents(to: Collection) -> None:
    """Letters that open, whose padding or content is wrong."""
    plain = padded(INSIDE)
    for name, wrong, kind, reason in (
        ("a byte after the end", plain[:-1] + b"\1", "altered", "letter.padding"),
        ("a length beyond the end", b"\xff" * 4 + plain[4:], "altered", "letter.padding"),
        ("a larger size than needed", plain + bytes(2048), "altered", "letter.padding"),
        ("no JSON", (3).to_bytes(4, "big") + b"\xff\xfe\xfd" + bytes(2041), "malformed", "json"),
        ("no content", (2).to_bytes(4, "big") + b"{}" + bytes(2042), "malformed", "content.text"),
        ("a key before the first epoch", padded({**INSIDE, "before": b64(fixed("x"))}), "altered", "content.before"),
        ("a field's name with a capital", padded({**INSIDE, "fields": {"A": ""}}), "malformed", "content.fields"),
        ("a number in a field", padded({**INSIDE, "fields": {"a": 1}}), "malformed", "content.fields"),
        ("notices of 16 bytes", padded({**INSIDE, "bell": b64(IV)}), "malformed", "content.bell"),
    ):
        strange = story.written(None, story.ASKER, "ask", "", given=LETTER["context"]["grant"], plain=wrong)
        to.refuses("open_letter", f"content: {name}", [LETTER_KEY, strange], kind, reason)
    later = story.written(story.ASK, story.ANA, "answer", "", sealed=INSIDE)
    to.refuses("open_letter", "notices in a later letter", [LETTER_KEY, later], "altered", "content.bell")


def _body(letter: str) -> list[int]:
    start = letter.index('"body":"') + len('"body":"')
    return [start, letter.index('"', start)]
