"""How the console answers what the rules of confidential queries refuse: one response for each kind of refusal."""

from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web

from bot.console import site
from bot.web.windows import later_on
from handlers.casework.cases import NoSuchCase
from handlers.casework.joining import KeysRefused
from handlers.casework.posting import LetterRefused, TooManyLetters
from handlers.casework.trust import Closed
from storage.confidential.officers import InviteRefused
from storage.confidential.protocol.errors import ProtocolError

Handler = Callable[[web.Request], Awaitable[web.Response]]


def answered(handler: Handler) -> Handler:
    """Let a handler of a post raise what its rules refuse: 404 for no such case, 422 for what is malformed, 409.

    429 for what may be done again on another day.
    """

    @wraps(handler)
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except InviteRefused:
            return site.conflict("token")
        except (KeysRefused, Closed):
            return site.conflict("keys")
        except LetterRefused as error:
            return site.conflict(error.reason)
        except TooManyLetters as error:
            return later_on(request, error.day)
        except NoSuchCase:
            raise web.HTTPNotFound from None
        except ProtocolError:
            raise web.HTTPUnprocessableEntity from None

    return answer
