"""Error codes of the Cloud API and their meaning to us, one row per code; they come in responses and in later statuses.

Decided by the code alone, never by the text or the HTTP status (most are 400).
Source: WhatsApp Cloud API, error codes.
"""

from bot.channels.events import ErrorMeaning

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


STOP_CAUSES: dict[int, str] = {
    **dict.fromkeys((0, 190), "token"),
    **dict.fromkeys((3, 10, 131005, *range(200, 300)), "permission"),
    **dict.fromkeys((368, 131031, 130497), "account"),
    **dict.fromkeys((131045, 133010), "number"),
    131042: "payment",
}
"""Why the channel was stopped, for the codes that mean CHANNEL_STOPPED."""


def stop_cause(code: int) -> str:
    """token, permission, account, number, payment, or other for a code that is not in the table."""
    return STOP_CAUSES.get(code, "other")
