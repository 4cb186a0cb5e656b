"""What a channel promises, and the few ways in which a platform can say no."""

from typing import Protocol

from handlers.message import Parcel


class Channel(Protocol):
    """A road to people. It translates and delivers; it decides nothing."""

    name: str

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel and give the platform's identifier of the message (empty where there is none).

        Raises the errors below and nothing else.
        """
        ...


class ChannelError(Exception):
    """A delivery did not happen, or may not have; the text names the kind and never holds a person's words."""


class Throttled(ChannelError):
    """Too fast: nothing more by this credential for `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"asked to wait {retry_after:g} s")
        self.retry_after = retry_after


class Blocked(ChannelError):
    """This person cannot be written to until they come back (blocked, deactivated, chat not found)."""


class RecipientThrottled(ChannelError):
    """This person not before `retry_after` seconds (to the power of the attempts, if it `grows`); others as ever."""

    def __init__(self, reason: str, retry_after: float, *, grows: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_exponential = grows


class WindowClosed(ChannelError):
    """The person has been silent for too long to be written to freely, and this parcel knows no other way."""


class TemplateStopped(ChannelError):
    """The platform does not take the template by which this parcel would leave: what needs it waits."""

    def __init__(self, reason: str, template: str, code: str) -> None:
        super().__init__(reason)
        self.template = template
        self.code = code


class Unreachable(ChannelError):
    """The platform is down, slow or broken: try again later.

    `in_doubt` says that the platform may have delivered all the same (an answer that never came).
    """

    def __init__(self, reason: str, *, in_doubt: bool) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt


class Refused(ChannelError):
    """The platform will never take this parcel as it is: our own fault or bad content."""


class Stopped(Refused):
    """The platform no longer takes our credential: the channel stands still until an administrator mends it."""
