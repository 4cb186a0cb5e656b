"""HTTP client of Meta's Graph API over one aiohttp session, and its errors."""

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
    """Meta refused a request: decide by `code` and `subcode`. `kind` is Meta's own error type, e.g. OAuthException.

    Meta's error texts may quote what was sent, so none of these contains them. `detail` is Meta's text for the
    administrator, set only by calls that manage templates and the number; it is not part of the exception's text.
    """

    def __init__(self, status: int, code: int, subcode: int = 0, kind: str = "", detail: str = "") -> None:
        super().__init__(f"code {code}, subcode {subcode}, status {status}")
        self.status = status
        self.code = code
        self.subcode = subcode
        self.kind = kind
        self.detail = detail


class NoResponse(Exception):
    """No usable response; `in_doubt`: the request may have been carried out all the same."""

    def __init__(self, kind: str, *, in_doubt: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.in_doubt = in_doubt


class Graph:
    """Meta's Graph API for one number and its business account.

    The token is sent in a header, URLs contain ids only, and redirects are not followed. Errors of the HTTP library
    may quote both: none of them leaves this class, only the name of its class. Every call raises GraphError and
    NoResponse and nothing else.
    """

    def __init__(self, token: str, api_url: str, phone_number_id: str, business_account_id: str) -> None:
        self._token = token
        self._api_url = api_url
        self._number = phone_number_id
        self._account = business_account_id
        self._session: aiohttp.ClientSession | None = None

    async def post_message(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a message, or mark one as read; the response has `messages[0].id`."""
        return await self._request("POST", f"{self._number}/messages", body=body)

    async def number(self) -> dict[str, Any]:
        """Meta's record of the number: display name, quality and limits."""
        return await self._request("GET", self._number, query={"fields": NUMBER_FIELDS}, with_detail=True)

    async def templates(self) -> list[dict[str, Any]]:
        """All templates of the account, one entry per name and language."""
        templates: list[dict[str, Any]] = []
        query = {"fields": TEMPLATE_FIELDS, "limit": TEMPLATES_A_PAGE}
        seen = {""}
        after = ""
        while True:
            page = await self._request("GET", f"{self._account}/message_templates", query=query, with_detail=True)
            templates += _entries(page)
            after = _next_cursor(page)
            if after in seen:
                return templates
            seen.add(after)
            query |= {"after": after}

    async def create_template(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a template; the response has `id`, `status` and the `category` that Meta assigned."""
        return await self._request("POST", f"{self._account}/message_templates", body=payload, with_detail=True)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        with_detail: bool = False,
    ) -> dict[str, Any]:
        status, payload = await self._exchange(method, f"{self._api_url}/{path}", query, body)
        response = _json_object(payload)
        refusal = (
            _graph_error(status, response.get("error"), self._token if with_detail else None) if response else None
        )
        if refusal is not None:
            raise refusal
        if status >= 300:
            # A gateway that timed out cannot know whether the request was carried out.
            raise NoResponse(f"status {status}", in_doubt=status == 504)
        if response is None:
            raise NoResponse("unreadable response", in_doubt=True)
        return response

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
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            failure = NoResponse(type(error).__name__, in_doubt=False)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            failure = NoResponse(type(error).__name__, in_doubt=True)
        # Raised outside the handlers: the original error, which may quote the URL, is not chained.
        raise failure


def _json_object(payload: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _graph_error(status: int, error: Any, token: str | None) -> GraphError | None:
    """The error in a response; None: there is none. With `token` its detail is included, without the token."""
    code = _number(error.get("code")) if isinstance(error, dict) else None
    if code is None:
        return None
    kind = error.get("type")
    kind = kind if isinstance(kind, str) and re.fullmatch(r"[A-Za-z_]{1,40}", kind) else ""
    detail = "" if token is None else _detail(error).replace(token, "[token]")
    return GraphError(status, code, _number(error.get("error_subcode")) or 0, kind, detail)


def _number(value: Any) -> int | None:
    """A whole number, also where it came as a string."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _detail(error: Mapping[str, Any]) -> str:
    """Meta's explanation for the administrator who manages templates, on one line."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    parts = [error.get("error_user_title"), error.get("error_user_msg"), details]
    return " ".join(": ".join(part for part in parts if isinstance(part, str) and part).split())


def _entries(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = page.get("data")
    if not isinstance(entries, list):
        raise NoResponse("unreadable response", in_doubt=False)
    return [entry for entry in entries if isinstance(entry, dict)]


def _next_cursor(page: Mapping[str, Any]) -> str:
    """The cursor of the next page; empty at the last. Meta returns a whole URL too, which is not used."""
    paging = page.get("paging")
    if not isinstance(paging, dict) or not paging.get("next"):
        return ""
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) else ""
