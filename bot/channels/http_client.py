"""HTTP client of the channels whose platform has an API: one exchange over aiohttp, and how it fails."""

from collections.abc import Mapping

import aiohttp

CONNECT_SECONDS = 10.0
READ_SECONDS = 15.0

GATEWAY_TIMEOUT = 504
NOT_SENT = (
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientConnectorError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    UnicodeError,  # a host name with a label over 63 characters
)
"""What aiohttp raises before it sends a request."""


class NoResponse(Exception):
    """No usable response; `in_doubt`: the request may have been carried out all the same.

    `kind` names the failure and quotes nothing that was sent or received, and no other exception is chained.
    """

    def __init__(self, kind: str, *, in_doubt: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.in_doubt = in_doubt

    @classmethod
    def of_status(cls, status: int) -> "NoResponse":
        """For a status whose body does not tell what happened: only a gateway that timed out cannot know it."""
        return cls(f"status {status}", in_doubt=status == GATEWAY_TIMEOUT)


class HttpClient:
    """One aiohttp session, opened by the first exchange; without cookies, and redirects are not followed.

    URLs and headers may contain a token, and errors of aiohttp may quote them: none of those errors leaves this class,
    also not as the context of another, only the name of its class.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        read_seconds: float | None = None,
    ) -> tuple[int, bytes]:
        """Make one request and return status and body, of whatever status. Raises NoResponse and nothing else.

        `read_seconds`: longest silence before and within the response; READ_SECONDS by default.
        """
        silence = READ_SECONDS if read_seconds is None else read_seconds
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_read=silence)
        failure: NoResponse
        try:
            async with self._open_session().request(
                method, url, params=query, json=json, data=form, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except NOT_SENT as error:
            failure = NoResponse(type(error).__name__, in_doubt=False)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            failure = NoResponse(type(error).__name__, in_doubt=True)
        # Raised outside the handlers: the original error is not chained.
        raise failure

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # the dispatcher limits how many requests are in flight
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "integra"},
            )
        return self._session

    async def close(self) -> None:
        """Close the session; a later exchange opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
