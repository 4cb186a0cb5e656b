"""How a channel talks, as far as it changes what is said: the little that handlers know of a platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The defaults are the manners of a channel that can do everything."""

    edits: bool = True  # a message can be changed after it was sent
    erases: bool = True  # the person's own message can be taken out of the chat
    joins: bool = False  # what is said in one turn leaves as one message: each costs, and their order is not kept
    buttons: int = 100  # below one message
    menus: bool = False  # more than a few of them are opened as a menu, which wants a name
    typed_commands: bool = False  # people type «hora» where other channels have /hora
    window: timedelta | None = None  # how long after a person's last word they may be written to freely; None: always
    openings: str = "tap"  # how a prompt opens a closed window: `tap` brings it, or it goes `direct` where it fits


FULL_CAPABILITIES = Capabilities()
CapabilitiesByChannel = Mapping[str, Capabilities]
