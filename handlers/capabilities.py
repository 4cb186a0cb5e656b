"""What a channel can do, as far as it changes what is sent: all that handlers know of a platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Capabilities of one channel, declared by the channel. The defaults describe a channel without limits."""

    can_edit: bool = True  # a message can be changed after it was sent
    can_erase: bool = True  # a message that the user sent can be deleted from the chat
    joins_messages: bool = False  # one response is sent as one message: each costs, and their order is not guaranteed
    max_buttons: int = 100  # below one message
    has_menus: bool = False  # more than a few buttons are shown as a menu, which needs a label
    reports_delivery: bool = False  # the platform reports when a message is on the recipient's device
    shows_news: bool = False  # a page of the channel's own shows that there are news: no notice is sent
    typed_commands: bool = False  # users type «hora» where other channels have /hora
    reply_window: timedelta | None = None  # how long after the user's last message free text may be sent; None: always
    prompt_template: str = "tap"
    """How a prompt is sent outside the reply window: `tap` sends a template whose quick reply fetches the prompt,
    `direct` sends the prompt itself as a template where it fits."""


FULL_CAPABILITIES = Capabilities()
CapabilitiesByChannel = Mapping[str, Capabilities]
