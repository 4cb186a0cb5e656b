"""Canonical phone numbers: one spelling per number, however WhatsApp or a person wrote it."""

import re

_SEPARATORS = re.compile(r"[\s().\-\u2010-\u2015]+")  # what people put between the digits
_DIGITS = re.compile(r"[0-9]{7,15}")
_MEXICAN = re.compile(r"521?([0-9]{10})")
MAX_LENGTH = 60  # characters that are looked at


def canonical(text: str) -> str:
    """`+` and 7 to 15 digits; empty for what cannot be a phone number with its country code.

    For Mexico always `+52` and 10 digits: the `1` after 52 was abolished in 2019, older accounts still have it, and
    the platform itself adds or drops it (Meta, "Send messages": Mexican and Brazilian numbers).
    """
    if len(text) > MAX_LENGTH:
        return ""
    digits = _SEPARATORS.sub("", text).removeprefix("+")
    if not _DIGITS.fullmatch(digits):
        return ""
    mexican = _MEXICAN.fullmatch(digits)
    return f"+52{mexican[1]}" if mexican else f"+{digits}"
