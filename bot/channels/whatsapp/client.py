"""Client of Meta's Graph API, and its errors."""

import re
from collections.abc import Mapping
from typing import Any

from bot.channels.http_client import HttpClient, NoResponse
from bot.config import Settings
from bot.json_body import parse_object

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


class Graph:
    """Meta's Graph API for one number and its business account.

    The token is sent in a header, URLs contain ids only. Every call raises GraphError and NoResponse and nothing else.
    """

    def __init__(self, token: str, api_url: str, phone_number_id: str, business_account_id: str) -> None:
        self._token = token
        self._api_url = api_url
        self._number = phone_number_id
        self._account = business_account_id
        self._http = HttpClient()

    @classmethod
    def of(cls, settings: Settings) -> "Graph":
        """The client of the number in the settings, which must have WhatsApp on."""
        token, number = settings.whatsapp_access_token, settings.whatsapp_phone_number_id
        account = settings.whatsapp_business_account_id
        assert token is not None
        assert number is not None
        assert account is not None
        return cls(token.get_secret_value(), settings.whatsapp_api_url, number, account)

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
        await self._http.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        with_detail: bool = False,
    ) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {self._token}"}
        status, payload = await self._http.exchange(
            method, f"{self._api_url}/{path}", query=query, json=body, headers=bearer
        )
        response = parse_object(payload)
        refusal = (
            _graph_error(status, response.get("error"), self._token if with_detail else None) if response else None
        )
        if refusal is not None:
            raise refusal
        if status >= 300:
            raise NoResponse.of_status(status)
        if response is None:
            raise NoResponse("unreadable response", in_doubt=True)
        return response


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
