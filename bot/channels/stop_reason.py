"""Why a channel is stopped: the reason that is stored, and the cause that the console names."""

import re
from enum import StrEnum

_CODE = re.compile(r"code (\d+)", re.ASCII)


class StopCause(StrEnum):
    """What an administrator has to look at; the console has a phrase for each."""

    TOKEN = "token"  # noqa: S105 - the credential is refused
    PERMISSION = "permission"  # the credential lacks a permission
    ACCOUNT = "account"  # the platform restricted or closed the account
    NUMBER = "number"  # the number is not registered with the platform
    PAYMENT = "payment"  # the platform reports a payment problem
    OTHER = "other"


def code_reason(code: int) -> str:
    """The reason that is stored for an error code of the platform."""
    return f"code {code}"


def code_in(reason: str) -> int | None:
    """The error code in a reason of `code_reason`; None: the reason is another text."""
    match = _CODE.fullmatch(reason)
    return int(match[1]) if match else None
