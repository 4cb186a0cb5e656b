"""What the Cloud API's error codes mean to us: one row a code; in answers and, later, in statuses.

Decided by the code alone, never by the text or the HTTP status (most are 400).
Source: WhatsApp Cloud API, error codes.
"""

from enum import StrEnum


class ErrorMeaning(StrEnum):
    """What follows from a refusal."""

    BACK_OFF = "slower"  # too fast, or a fault that passes: the whole credential waits and tries again
    RECIPIENT_THROTTLED = "person_later"  # too fast for this person: only they wait
    WINDOW_CLOSED = "by_template"  # the person has been silent for too long: a template instead
    RECIPIENT_GONE = "person_gone"  # nobody to write to: another channel may reach them
    NOT_TODAY = "not_today"  # the platform spares this person for now: not before 24 hours
    NO_MARKETING = "no_marketing"  # the person wants no marketing: none until they say otherwise
    UNDELIVERABLE = "never"  # this message will not arrive, and the next may
    TEMPLATE_STOPPED = "template_stopped"  # the template is not taken: what needs it waits
    OUR_FAULT = "ours"  # our own fault: no repetition helps
    NUMBER_PAUSED = "rest"  # the whole number rests for an hour, and an administrator should look at it
    CHANNEL_STOPPED = "channel_stopped"  # the credential or the account: an administrator must act


MEANINGS: dict[int, ErrorMeaning] = {
    # throughput, rate of the account or app, faults that pass, the number being upgraded
    **dict.fromkeys((130429, 80007, 4, 2, 131016, 131000, 131057), ErrorMeaning.BACK_OFF),
    131056: ErrorMeaning.RECIPIENT_THROTTLED,  # pair rate
    131047: ErrorMeaning.WINDOW_CLOSED,
    131026: ErrorMeaning.RECIPIENT_GONE,  # not on WhatsApp, terms not accepted, app too old
    131049: ErrorMeaning.NOT_TODAY,  # engagement cap
    131050: ErrorMeaning.NO_MARKETING,
    130472: ErrorMeaning.UNDELIVERABLE,  # experiment group
    131021: ErrorMeaning.UNDELIVERABLE,  # our own number
    131030: ErrorMeaning.UNDELIVERABLE,  # not on the test number's list
    131062: ErrorMeaning.OUR_FAULT,  # a kind that cannot go to a business-scoped id: we send none such
    # count, missing, too long, policy, format, characters, paused, disabled
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
    """A code that is not in the table is taken for a fault of ours: no repetition, and the log tells it."""
    return MEANINGS.get(code, ErrorMeaning.OUR_FAULT)
