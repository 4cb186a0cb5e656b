"""How requests reach Meta's Graph API, over one aiohttp session, and which failures they may have."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp

CONNECT_SECONDS = 10.0
READ_SECONDS = 15.0
TEMPLATES_A_PAGE = "100"
NUMBER_FIELDS = "display_phone_number,verified_name,quality_rating,whatsapp_business_manager_messaging_limit,throughput"
TEMPLATE_FIELDS = "name,language,status,category,quality_score,rejected_reason,components"


class GraphError(Exception):
    """Meta refused: decide by `code` and `subcode`. `kind` is Meta's own class of errors, e.g. OAuthException.

    What Meta says may quote what was sent, so it is in none of them. `says` is filled by calls that manage templates
    and the number, for the administrator's eyes; it is no part of the text of the exception.
    """

    def __init__(self, status: int, code: int, subcode: int = 0, kind: str = "", says: str = "") -> None:
        super().__init__(f"code {code}, subcode {subcode}, status {status}")
        self.status = status
        self.code = code
        self.subcode = subcode
        self.kind = kind
        self.says = says


class NoResponse(Exception):
    """No usable answer; `in_doubt` says that the work may have been done all the same."""

    def __init__(self, kind: str, *, in_doubt: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.in_doubt = in_doubt


class Graph:
    """Meta's Graph API for one number and its business account.

    The token travels in a header, addresses hold ids only, and redirects are not followed. Errors of the HTTP library
    may quote both: none of them leaves this class, only the name of its kind. Every call raises GraphFault and NoAnswer
    and nothing else.
    """

    def __init__(self, token: str, api_url: str, phone_number_id: str, business_account_id: str) -> None:
        self._token = token
        self._api_url = api_url
        self._number = phone_number_id
        self._account = business_account_id
        self._session: aiohttp.ClientSession | None = None

    async def post_message(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a message, or mark one as read; the answer holds `messages[0].id`."""
        return await self._ask("POST", f"{self._number}/messages", body=body)

    async def number(self) -> dict[str, Any]:
        """What Meta knows of the number: how it is shown, its quality and its limits."""
        return await self._ask("GET", self._number, query={"fields": NUMBER_FIELDS}, tells=True)

    async def templates(self) -> list[dict[str, Any]]:
        """All templates of the account, one entry a name and language."""
        found: list[dict[str, Any]] = []
        query = {"fields": TEMPLATE_FIELDS, "limit": TEMPLATES_A_PAGE}
        seen = {""}
        after = ""
        while True:
            page = await self._ask("GET", f"{self._account}/message_templates", query=query, tells=True)
            found += _entries(page)
            after = _following(page)
            if after in seen:
                return found
            seen.add(after)
            query |= {"after": after}

    async def create_template(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a template; the answer holds `id`, `status` and the `category` that Meta gave it."""
        return await self._ask("POST", f"{self._account}/message_templates", body=payload, tells=True)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        tells: bool = False,
    ) -> dict[str, Any]:
        status, payload = await self._exchange(method, f"{self._api_url}/{path}", query, body)
        answer = _object(payload)
        fault = _fault(status, answer.get("error"), self._token if tells else None) if answer else None
        if fault is not None:
            raise fault
        if status >= 300:
            # A gateway that gave up waiting cannot know whether the work was done.
            raise NoResponse(f"status {status}", in_doubt=status == 504)
        if answer is None:
            raise NoResponse("unreadable answer", in_doubt=True)
        return answer

    async def _exchange(
        self, method: str, url: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": "integra"}
            )
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        bearer = {"Authorization": f"Bearer {self._token}"}
        failure: NoResponse
        try:
            async with self._session.request(
                method, url, params=query, json=body, headers=bearer, timeout=timeout, allow_redirects=False
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, aiohttp.InvalidURL) as fault:
            failure = NoResponse(type(fault).__name__, in_doubt=False)
        except (TimeoutError, aiohttp.ClientError, OSError) as fault:
            failure = NoResponse(type(fault).__name__, in_doubt=True)
        # Raised outside the handlers: the error it comes from, which may quote the address, is not chained.
        raise failure


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _fault(status: int, error: Any, told_without: str | None) -> GraphError | None:
    """The refusal in an answer; None: there is none. What it says is kept without the token, or not at all."""
    code = _number(error.get("code")) if isinstance(error, dict) else None
    if code is None:
        return None
    kind = error.get("type")
    kind = kind if isinstance(kind, str) and re.fullmatch(r"[A-Za-z_]{1,40}", kind) else ""
    says = "" if told_without is None else _said(error).replace(told_without, "[token]")
    return GraphError(status, code, _number(error.get("error_subcode")) or 0, kind, says)


def _number(value: Any) -> int | None:
    """A whole number, also where it came as text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _said(error: Mapping[str, Any]) -> str:
    """What Meta tells the person who manages templates, on one line."""
    more = error.get("error_data")
    details = more.get("details") if isinstance(more, dict) else None
    told = [error.get("error_user_title"), error.get("error_user_msg"), details]
    return " ".join(": ".join(one for one in told if isinstance(one, str) and one).split())


def _entries(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = page.get("data")
    if not isinstance(entries, list):
        raise NoResponse("unreadable answer", in_doubt=False)
    return [one for one in entries if isinstance(one, dict)]


def _following(page: Mapping[str, Any]) -> str:
    """The cursor of the next page; empty at the last. Meta gives a whole address too, which is not called."""
    paging = page.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return ""
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) else ""
