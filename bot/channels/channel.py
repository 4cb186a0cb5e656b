"""The contract of a channel, and the closed list of errors that a delivery may end in."""

from typing import Protocol

from handlers.message import Parcel


class Channel(Protocol):
    """A platform through which recipients are reached. It translates and delivers; it makes no decisions."""

    name: str

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel and return the platform's message identifier (empty where there is none).

        Of a parcel that leaves no row nothing is stored about its recipient, also when the platform refuses it.

        Raises the errors below and nothing else.
        """
        ...


class ChannelError(Exception):
    """A delivery did not happen, or may not have; the text is the kind of failure and never holds message content."""


class Throttled(ChannelError):
    """Rate limited: nothing more may be sent with this credential for `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"asked to wait {retry_after:g} s")
        self.retry_after = retry_after


class Blocked(ChannelError):
    """This recipient does not want to be written to (they blocked us), until they come back."""


class NotReached(ChannelError):
    """This recipient is not reached now, which may pass: no such chat, deactivated, not on the platform."""


class RecipientThrottled(ChannelError):
    """This recipient may not be written to for `retry_after` seconds; others are unaffected.

    With `is_exponential` the wait is `retry_after` to the power of the number of attempts.
    """

    def __init__(self, reason: str, retry_after: float, *, is_exponential: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.is_exponential = is_exponential


class WindowClosed(ChannelError):
    """The recipient's reply window is closed, and this parcel has no template to send instead."""


class TemplateStopped(ChannelError):
    """The platform does not accept the template that this parcel needs: deliveries that need it wait."""

    def __init__(self, reason: str, template: str, code: str) -> None:
        super().__init__(reason)
        self.template = template
        self.code = code


class Unreachable(ChannelError):
    """The platform is down, slow or broken: retry later.

    `in_doubt`: the platform may have delivered the parcel all the same (its response never arrived).
    """

    def __init__(self, reason: str, *, in_doubt: bool) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt


class Refused(ChannelError):
    """The platform will never accept this parcel or request as it is: our own fault or bad content.

    Its subclasses: UnknownRefusal, of which we do not know why, and Stopped: the platform refuses everything.
    """


class UnknownRefusal(Refused):
    """The platform refuses this parcel with an error that no table of the channel knows; the text names the error."""


class Stopped(Refused):
    """The platform refuses our credential or account, hence everything; stopped until an administrator acts."""
