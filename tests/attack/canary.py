"""A canary sentence that must not appear anywhere, in any encoding that programs use for text."""

import base64
import json
import urllib.parse

TEXT = "canario ñandú 7391 firmé el contrato de mi prima"


def encodings(text: str = TEXT) -> dict[str, bytes]:
    """Return the byte sequences in which the text may appear, by name of the encoding."""
    raw = text.encode()
    sequences = {
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
            # Only the characters that do not depend on the bytes around the text.
            sequences[f"{name} at {shift}"] = encode(b"\0" * shift + raw)[4 : len(raw) // 3 * 4]
    return sequences


def encodings_found_in(haystack: bytes, text: str = TEXT) -> list[str]:
    """Return the names of all encodings of the text that occur."""
    lower = haystack.lower()
    return [name for name, needle in encodings(text).items() if needle in haystack or needle.lower() in lower]
