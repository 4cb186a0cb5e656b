"""What the Cloud API's error codes mean to us: one row a code; in answers and, later, in statuses.

Decided by the code alone, never by the text or the HTTP status (most are 400).
Source: WhatsApp Cloud API, error codes.
"""

from enum import StrEnum


class Meaning(StrEnum):
    """What follows from a refusal."""

    SLOWER = "slower"  # too fast, or a fault that passes: the whole credential waits and tries again
    PERSON_LATER = "person_later"  # too fast for this person: only they wait
    BY_TEMPLATE = "by_template"  # the person has been silent for too long: a template instead
    PERSON_GONE = "person_gone"  # nobody to write to: another channel may reach them
    NOT_TODAY = "not_today"  # the platform spares this person for now: not before 24 hours
    NO_MARKETING = "no_marketing"  # the person wants no marketing: none until they say otherwise
    NEVER = "never"  # this message will not arrive, and the next may
    TEMPLATE_STOPPED = "template_stopped"  # the template is not taken: what needs it waits
    OURS = "ours"  # our own fault: no repetition helps
    REST = "rest"  # the whole number rests for an hour, and an administrator should look at it
    CHANNEL_STOPPED = "channel_stopped"  # the credential or the account: an administrator must act


MEANINGS: dict[int, Meaning] = {
    # throughput, rate of the account or app, faults that pass, the number being upgraded
    **dict.fromkeys((130429, 80007, 4, 2, 131016, 131000, 131057), Meaning.SLOWER),
    131056: Meaning.PERSON_LATER,  # pair rate
    131047: Meaning.BY_TEMPLATE,
    131026: Meaning.PERSON_GONE,  # not on WhatsApp, terms not accepted, app too old
    131049: Meaning.NOT_TODAY,  # engagement cap
    131050: Meaning.NO_MARKETING,
    130472: Meaning.NEVER,  # experiment group
    131021: Meaning.NEVER,  # our own number
    131030: Meaning.NEVER,  # not on the test number's list
    131062: Meaning.OURS,  # a kind that cannot go to a business-scoped id: we send none such
    # count, missing, too long, policy, format, characters, paused, disabled
    **dict.fromkeys((132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132018), Meaning.TEMPLATE_STOPPED),
    **dict.fromkeys((131008, 131009, 131051, 100, 33, 131052, 131053), Meaning.OURS),
    131048: Meaning.REST,  # spam limit of the number: look at its quality
    **dict.fromkeys((0, 190), Meaning.CHANNEL_STOPPED),  # token
    **dict.fromkeys((3, 10, 131005, *range(200, 300)), Meaning.CHANNEL_STOPPED),  # permission
    **dict.fromkeys((368, 131031, 130497), Meaning.CHANNEL_STOPPED),  # account restricted, locked, barred
    **dict.fromkeys((131042, 131045, 133010), Meaning.CHANNEL_STOPPED),  # payment, registration of the number
}


def meaning(code: int) -> Meaning:
    """A code that is not in the table is taken for a fault of ours: no repetition, and the log tells it."""
    return MEANINGS.get(code, Meaning.OURS)


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
