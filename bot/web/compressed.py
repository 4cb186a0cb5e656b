"""Fixed answers that are compressed once: what travels is small, and costs no time when it is asked for."""

import gzip
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import brotli
from aiohttp import web

ENCODINGS = ("br", "gzip")  # the smaller first; browsers take br on https only
REFUSED = re.compile(r"q=0(\.0*)?")
REVALIDATED = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
"""Headers of scripts and styles: a page never runs with those of another release."""


@dataclass(frozen=True)
class Compressed:
    """A body in each encoding that browsers take, made when it is first asked for."""

    plain: bytes
    content_type: str

    @cached_property
    def tag(self) -> str:
        """Names this body: browsers ask with it whether it is still the same."""
        return f'"{hashlib.sha256(self.plain).hexdigest()[:20]}"'

    @cached_property
    def encoded(self) -> Mapping[str, bytes]:
        """The compressed body by encoding."""
        return {"br": brotli.compress(self.plain), "gzip": gzip.compress(self.plain, 9, mtime=0)}

    def response(self, request: web.Request, headers: Mapping[str, str]) -> web.Response:
        """The body in the smallest encoding that the browser takes; 304 where it has it already."""
        common = {**headers, "Vary": "Accept-Encoding"}
        if headers.get("Cache-Control") != "no-store":
            common["ETag"] = self.tag
            if self.tag in request.headers.get("If-None-Match", ""):
                return web.Response(status=304, headers=common)
        encoding = self._encoding(request.headers.get("Accept-Encoding", ""))
        if encoding:
            common["Content-Encoding"] = encoding
        body = self.encoded[encoding] if encoding else self.plain
        return web.Response(body=body, content_type=self.content_type, charset="utf-8", headers=common)

    def _encoding(self, accepted: str) -> str:
        """The first encoding that the browser does not refuse, by RFC 9110, 12.5.3; empty: none."""
        taken = {name for name, weight in _weights(accepted) if not REFUSED.fullmatch(weight)}
        return next((one for one in ENCODINGS if one in taken), "")


def _weights(accepted: str) -> Iterator[tuple[str, str]]:
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        yield name.strip(), weight.strip()
