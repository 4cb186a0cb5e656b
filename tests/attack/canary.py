"""A sentence that must not be found anywhere, in any spelling that programs give to text."""

import base64
import json
import urllib.parse

TEXT = "canario ñandú 7391 firmé el contrato de mi prima"


def encodings(text: str = TEXT) -> dict[str, bytes]:
    """The ways in which a text may hide among bytes, by name."""
    raw = text.encode()
    found = {
        "utf-8": raw,
        "utf-16": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32-le"),
        "latin-1": text.encode("latin-1"),
        "hex": raw.hex().encode(),
        "json": json.dumps(text)[1:-1].encode(),
        "url": urllib.parse.quote(text).encode(),
        "form": urllib.parse.quote_plus(text).encode(),
        "words": b"firm\xc3\xa9 el contrato",
        "reversed": raw[::-1],
    }
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        for shift in range(3):
            # What does not depend on the neighbours of the text.
            found[f"{name} at {shift}"] = encode(b"\0" * shift + raw)[4 : len(raw) // 3 * 4]
    return found


def encodings_found_in(haystack: bytes, text: str = TEXT) -> list[str]:
    """The names of all spellings that occur."""
    low = haystack.lower()
    return [name for name, needle in encodings(text).items() if needle in haystack or needle.lower() in low]
