"""Why an object of the protocol is not accepted: a kind for the phrase that a page shows, and a reason for the log."""

from typing import ClassVar


class ProtocolError(Exception):
    """An object is not accepted; `reason` names the field or the rule, never its content."""

    kind: ClassVar[str] = ""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{self.kind}: {reason}")
        self.reason = reason


class Malformed(ProtocolError):
    """A field does not have its format; `reason` is the path of the field."""

    kind = "malformed"


class Altered(ProtocolError):
    """A signature, a hash, a seal or a rule does not verify: nothing may be shown and nothing sent."""

    kind = "altered"


class WrongKey(ProtocolError):
    """The key sealed to this reader is not that of the epoch: the reader asks a colleague, others are not affected."""

    kind = "wrong_key"


class Expired(ProtocolError):
    """The list of readers is no longer in force: no new case and no grant."""

    kind = "expired"


class WrongClock(ProtocolError):
    """The list of readers is of a later day than this device's clock."""

    kind = "clock"


class Refused(ProtocolError):
    """What is to be written would break a rule; nothing that was received is wrong."""

    kind = "refused"
