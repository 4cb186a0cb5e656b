"""Mutates requests: arbitrary bytes in the line, the headers, cookies and the body; parts of JSON in wrong places."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

ODD_TEXTS = (
    "",
    "\x00",
    "ñ",
    "\ud800",
    "٣",
    "x" * 5000,
    "..",
    "%00",
    "null",
    "-1",
    "a\nb",
    "🙂",
    "\u202e",
    "{}",
    "'\"<",
)
ODD_NUMBERS = (0, -1, 2**31, 2**63, 2**70, 10**400, 0.5, -0.0, float("inf"), True, None)
ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x99\x82",
    b"\x80",
    b"\xe9",
    b" ",
    b"\t",
    b"\x7f",
)
ODD_PATHS = (
    b"/..",
    b"//",
    b"%2e%2e",
    b"%00",
    b"%ff",
    b"%",
    b"?",
    b"?lang=",
    b"?lang=%ff",
    b"#",
    b";a=b",
    b"%2F",
    b"\xff",
)
ODD_HEADERS = (
    (b"Host", b""), (b"Host", b"["), (b"Host", b"a:b:c"), (b"Host", b"127.0.0.1:99999"), (b"Host", b"\xff"),
    (b"Content-Type", b"application/json; charset=\xff"), (b"Content-Type", b"application/json;charset=utf-7"),
    (b"Content-Type", b"multipart/form-data; boundary="), (b"Content-Type", b"text/\xe9"), (b"Content-Type", b""),
    (b"Content-Type", b"application/x-www-form-urlencoded; charset=x"), (b"Content-Encoding", b"gzip"),
    (b"Accept", b"application/openmetrics-text; version=x"), (b"Accept", b"*/*;q=\xff"), (b"Accept", b"text/html"),
    (b"Accept-Encoding", b"br;q=x, gzip;q=0"), (b"Accept-Encoding", b"\xff"), (b"Accept-Language", b"\xff,en"),
    (b"Cookie", b"session"), (b"Cookie", b"session=\"\\377\""), (b"Cookie", b"gate=\xff; lang=\xff"),
    (b"Cookie", b"=;=;"), (b"Cookie", b"chat=" + b"A" * 22), (b"Cookie", b"session=" + b"A" * 43),
    (b"Cookie", b"$Version=1; gate=x; $Path=/"), (b"Authorization", b"Bearer \xff"), (b"Authorization", b"Bearer"),
    (b"X-CSRF", b"\xff"), (b"X-CSRF", b""), (b"Origin", b"null"), (b"Origin", b"http://["), (b"Origin", b"\xff"),
    (b"Sec-Fetch-Site", b"cross-site"), (b"X-Forwarded-For", b"\xff, ::1, 1.2.3.4.5"), (b"Forwarded", b"for=\"[\""),
    (b"X-Real-IP", b"x"), (b"If-None-Match", b"\xff"), (b"If-None-Match", b"*"), (b"If-Modified-Since", b"Thu, 99"),
    (b"Range", b"bytes=-"), (b"Last-Event-ID", b"\xd9\xa3"), (b"Expect", b"100-continue"), (b"Expect", b"x"),
    (b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Transfer-Encoding", b"chunked"),
    (b"Content-Length", b"-1"), (b"Content-Length", b"99999999999999999999"), (b"X-Hub-Signature-256", b"\xff"),
    (b"X-Hub-Signature-256", b""), (b"X-Telegram-Bot-Api-Secret-Token", b"\xff"),
    (b"X-HTTP-Method-Override", b"DELETE"), (b"HX-Request", b"\xff"),
)  # fmt: skip
METHODS = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"BREW",
    b"get",
    b"\xff",
)


@dataclass(frozen=True)
class Request:
    """One request as bytes; `value` is what its JSON body holds, and `sign` makes headers of the body."""

    method: bytes
    path: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    value: Any = None
    body: bytes = b""
    sign: Callable[[bytes], tuple[tuple[bytes, bytes], ...]] = lambda _: ()

    def sent(self) -> bytes:
        """All bytes of it. Its length is right, unless a header says otherwise, and the answer ends the connection."""
        body = self.body or (b"" if self.value is None else _json(self.value))
        headers = [*self.headers, *self.sign(body), (b"Connection", b"close")]
        if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
            headers.append((b"Content-Length", str(len(body)).encode()))
        head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return self.method + b" " + self.path + b" HTTP/1.1\r\n" + head + b"\r\n" + body


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def mutated(request: Request, pool: Sequence[Any], chance: Random) -> Request:
    """The request with one to three mutations; `pool` has what other bodies hold."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        request = chance.choice(WAYS)(request, pool, chance)
    return request


# ---------------------------------------------------------------- one mutation each


def _header_byte(request: Request, _: Sequence[Any], chance: Random) -> Request:
    at = chance.randrange(len(request.headers))
    name, value = request.headers[at]
    return _with_header(request, at, name, _with_bytes(value, chance))


def _odd_header(request: Request, _: Sequence[Any], chance: Random) -> Request:
    name, value = chance.choice(ODD_HEADERS)
    kept = request.headers if chance.random() < 0.3 else tuple(one for one in request.headers if one[0] != name)
    return replace(request, headers=(*kept, (name, value)))


def _header_gone(request: Request, _: Sequence[Any], chance: Random) -> Request:
    at = chance.randrange(len(request.headers))
    return replace(request, headers=request.headers[:at] + request.headers[at + 1 :])


def _header_of_bytes(request: Request, _: Sequence[Any], chance: Random) -> Request:
    at = chance.randrange(len(request.headers))
    return _with_header(request, at, request.headers[at][0], chance.randbytes(chance.choice((1, 8, 200, 9000))))


def _path(request: Request, _: Sequence[Any], chance: Random) -> Request:
    at = chance.randrange(1, len(request.path) + 1)
    return replace(request, path=request.path[:at] + chance.choice(ODD_PATHS + ODD_BYTES) + request.path[at:])


def _method(request: Request, _: Sequence[Any], chance: Random) -> Request:
    return replace(request, method=chance.choice(METHODS))


def _body_bytes(request: Request, _: Sequence[Any], chance: Random) -> Request:
    body = request.body or (_json(request.value) if request.value is not None else b"{}")
    return replace(request, body=_with_bytes(body, chance) or b" ")


def _odd_body(request: Request, _: Sequence[Any], chance: Random) -> Request:
    odd = (
        b"[" * 60_000,
        b"{" * 300,
        b"null",
        b'"x"',
        b"1e999",
        b"NaN",
        b'{"a":1,"a":2}',
        b"\xef\xbb\xbf{}",
        b"[1,]",
        b"9" * 5000,
    )
    return replace(request, body=chance.choice((*odd, chance.randbytes(50))))


def _json_part(request: Request, pool: Sequence[Any], chance: Random) -> Request:
    if request.value is None:
        return _body_bytes(request, pool, chance)
    value = copy.deepcopy(request.value)
    places = list(_places(value))
    if not places:
        return replace(request, value=chance.choice(pool))
    inside, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del inside[key]
        case 1 if isinstance(inside, dict):
            inside[chance.choice(ODD_TEXTS)] = inside[key]
        case 2:
            inside[key] = chance.choice(pool)
        case _:
            inside[key] = chance.choice((*ODD_TEXTS, *ODD_NUMBERS, [], {}, [[]], [inside[key]], {"": inside[key]}))
    return replace(request, value=value)


WAYS = (_header_byte, _odd_header, _odd_header, _header_gone, _header_of_bytes, _path, _method, _body_bytes, _odd_body,
        _json_part, _json_part, _json_part)  # fmt: skip


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each member of each object and list in a value, as the container and its key."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _with_header(request: Request, at: int, name: bytes, value: bytes) -> Request:
    return replace(request, headers=(*request.headers[:at], (name, value), *request.headers[at + 1 :]))


def _with_bytes(text: bytes, chance: Random) -> bytes:
    """The text with some bytes put in, taken out or changed."""
    at = chance.randrange(len(text) + 1)
    match chance.randrange(4):
        case 0:
            return text[:at] + chance.choice(ODD_BYTES) + text[at:]
        case 1:
            return text[:at] + chance.randbytes(chance.randrange(1, 5)) + text[at:]
        case 2:
            return text[:at]
        case _:
            return text[:at] + text[at + chance.randrange(1, 4) :]
