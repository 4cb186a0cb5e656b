"""Error codes of the Cloud API and their meaning to us, one row a code; they come in responses and in later statuses.

Decided by the code alone, never by the text or the HTTP status (most are 400).
Source: WhatsApp Cloud API, error codes.
"""

from enum import StrEnum


class ErrorMeaning(StrEnum):
    """What follows from a refusal."""

    BACK_OFF = "back_off"  # rate limit or temporary fault: everything sent with this credential waits and is retried
    RECIPIENT_THROTTLED = "recipient_throttled"  # too many messages to this recipient: only they wait
    WINDOW_CLOSED = "window_closed"  # outside the recipient's 24-hour reply window: a template instead
    RECIPIENT_GONE = "recipient_gone"  # no such recipient: another channel may reach them
    NOT_TODAY = "not_today"  # the platform limits marketing to this recipient: not before 24 hours
    NO_MARKETING = "no_marketing"  # the recipient stopped marketing: none until they resume it
    UNDELIVERABLE = "undeliverable"  # this message will not arrive, and the next may
    TEMPLATE_STOPPED = "template_stopped"  # the template is not accepted: deliveries that need it wait
    OUR_FAULT = "our_fault"  # our own fault: no retry helps
    NUMBER_PAUSED = "number_paused"  # the whole number pauses for an hour, and an administrator should look at it
    CHANNEL_STOPPED = "channel_stopped"  # the credential or the account: an administrator must act


MEANINGS: dict[int, ErrorMeaning] = {
    # throughput, rate limit of the account or app, temporary faults, the number being upgraded
    **dict.fromkeys((130429, 80007, 4, 2, 131016, 131000, 131057), ErrorMeaning.BACK_OFF),
    131056: ErrorMeaning.RECIPIENT_THROTTLED,  # pair rate limit
    131047: ErrorMeaning.WINDOW_CLOSED,
    131026: ErrorMeaning.RECIPIENT_GONE,  # not on WhatsApp, terms not accepted, app too old
    131049: ErrorMeaning.NOT_TODAY,  # engagement cap
    131050: ErrorMeaning.NO_MARKETING,
    130472: ErrorMeaning.UNDELIVERABLE,  # experiment group
    131021: ErrorMeaning.UNDELIVERABLE,  # our own number
    131030: ErrorMeaning.UNDELIVERABLE,  # not on the test number's list
    131062: ErrorMeaning.OUR_FAULT,  # a message type that cannot go to a business-scoped id: we send none such
    # parameter count, missing, too long, policy, format, characters, paused, disabled
    **dict.fromkeys(
        (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018), ErrorMeaning.TEMPLATE_STOPPED
    ),
    **dict.fromkeys((131008, 131009, 131051, 100, 33, 131052, 131053), ErrorMeaning.OUR_FAULT),
    131048: ErrorMeaning.NUMBER_PAUSED,  # spam limit of the number: look at its quality
    **dict.fromkeys((0, 190), ErrorMeaning.CHANNEL_STOPPED),  # token
    **dict.fromkeys((3, 10, 131005, *range(200, 300)), ErrorMeaning.CHANNEL_STOPPED),  # permission
    **dict.fromkeys((368, 131031, 130497), ErrorMeaning.CHANNEL_STOPPED),  # account restricted, locked, barred
    **dict.fromkeys((131042, 131045, 133010), ErrorMeaning.CHANNEL_STOPPED),  # payment, registration of the number
}


def error_meaning(code: int) -> ErrorMeaning:
    """Meaning of an error code; an unknown code counts as our own fault: it is not retried, and it is logged."""
    return MEANINGS.get(code, ErrorMeaning.OUR_FAULT)
