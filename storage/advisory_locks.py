"""PostgreSQL's advisory locks, all in one place: two that share a number would wait for each other for ever."""

from enum import IntEnum, unique


@unique
class Lock(IntEnum):
    """What one process alone does at a time."""

    LEDGER = 0x1E_D6E4  # write to the ledger, and go on from its last line
    MIGRATING = 4_637_112  # bring the schema forward
    POLLING = 4_637_113  # ask Telegram for updates
    PLANNING = 4_637_114  # plan the day's prompts
    LISTENING = 4_637_115  # look whether Telegram reaches the webhook
