"""Error codes of the Cloud API, one row per meaning and cause; they come in responses and in later statuses.

Decided by the code alone, never by the text or the HTTP status (most are 400).
Source: WhatsApp Cloud API, error codes; Graph API, rate limiting.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.channels.events import ErrorMeaning
from bot.channels.stop_reason import StopCause


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """Codes that mean the same to us; `problem` and `remedy` are for the administrator of the templates."""

    codes: tuple[int, ...]
    meaning: ErrorMeaning
    cause: StopCause = StopCause.OTHER
    problem: str = "Meta refuses"
    remedy: str = ""
    concerns_all: bool = False  # the next request of any kind is refused too

    def text(self, error: object) -> str:
        """One line for the administrator; `error` names the code."""
        return f"{self.problem} ({error})" + (f"; {self.remedy}" if self.remedy else "")


TABLE = (
    # throughput, temporary faults, the number being upgraded
    ErrorRow((130429, 2, 131016, 131000, 131057), ErrorMeaning.BACK_OFF),
    # rate limits of app, user, page and account
    ErrorRow(
        (4, 17, 32, 613, 80007, 80008),
        ErrorMeaning.BACK_OFF,
        problem="Meta has had too many calls from us",
        remedy="try again in an hour",
        concerns_all=True,
    ),
    ErrorRow((131056,), ErrorMeaning.RECIPIENT_THROTTLED),  # pair rate limit
    ErrorRow((131047,), ErrorMeaning.WINDOW_CLOSED),
    ErrorRow((131026,), ErrorMeaning.RECIPIENT_GONE),  # not on WhatsApp, terms not accepted, app too old
    ErrorRow((131049,), ErrorMeaning.NOT_TODAY),  # engagement cap
    ErrorRow((131050,), ErrorMeaning.NO_MARKETING),
    # experiment group, our own number, not on the test number's list
    ErrorRow((130472, 131021, 131030), ErrorMeaning.UNDELIVERABLE),
    # parameter count, missing, too long, policy, format, characters, paused, disabled
    ErrorRow((132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018), ErrorMeaning.TEMPLATE_STOPPED),
    # missing or invalid parameters, message types and media that we do not send
    ErrorRow((131008, 131009, 131051, 131052, 131053, 131062, 33), ErrorMeaning.OUR_FAULT),
    ErrorRow(
        (100,),
        ErrorMeaning.OUR_FAULT,
        problem="WHATSAPP_BUSINESS_ACCOUNT_ID: not an account that this token can see",
    ),
    # spam limit of the number
    ErrorRow((131048,), ErrorMeaning.NUMBER_PAUSED, remedy="look at the number's quality at Meta"),
    ErrorRow(
        (0, 190),
        ErrorMeaning.CHANNEL_STOPPED,
        StopCause.TOKEN,
        "WHATSAPP_ACCESS_TOKEN: Meta refuses it",
        "make a new one for the system user",
        concerns_all=True,
    ),
    ErrorRow(
        (3, 10, 131005, *range(200, 300)),
        ErrorMeaning.CHANNEL_STOPPED,
        StopCause.PERMISSION,
        "WHATSAPP_ACCESS_TOKEN: a permission is missing",
        "the system user needs whatsapp_business_management, and the account among its assets",
        concerns_all=True,
    ),
    # restricted, locked, barred
    ErrorRow((368, 131031, 130497), ErrorMeaning.CHANNEL_STOPPED, StopCause.ACCOUNT, concerns_all=True),
    # not registered
    ErrorRow((131045, 133010), ErrorMeaning.CHANNEL_STOPPED, StopCause.NUMBER, concerns_all=True),
    ErrorRow((131042,), ErrorMeaning.CHANNEL_STOPPED, StopCause.PAYMENT, concerns_all=True),
)
"""All codes that we know."""

BY_CODE: Mapping[int, ErrorRow] = {code: row for row in TABLE for code in row.codes}
UNKNOWN = ErrorRow((), ErrorMeaning.UNKNOWN)
"""An unknown code refuses one message; where one after the other is refused so, their kind pauses."""

UNKNOWN_OBJECT = 33
"""Subcode of 100: no such id, or not for this token."""


def row_of(code: int) -> ErrorRow:
    """The row of a code, or UNKNOWN."""
    return BY_CODE.get(code, UNKNOWN)


def error_meaning(code: int) -> ErrorMeaning:
    """Meaning of an error code."""
    return row_of(code).meaning


def concerns_all(code: int, subcode: int) -> bool:
    """Whether a refusal concerns not this request but token, account or limits, hence all that follow."""
    return row_of(code).concerns_all or (code == 100 and subcode == UNKNOWN_OBJECT)
