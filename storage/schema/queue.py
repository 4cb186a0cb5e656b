"""Tables of what arrives and of what is sent, with what platforms report, and of whose keys wrote them."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from storage.database import UtcDateTime
from storage.schema.base import Id, metadata

# ---------------------------------------------------------------- inbound

updates = Table(  # stored before they are acknowledged, handled once
    "updates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(10), nullable=False),
    Column("key", String(160), nullable=False),
    Column("address", String(160), nullable=False),  # its keyed name, for the order; empty once handled
    Column("state", String(8), nullable=False),  # waiting | aside (dead letter)
    Column("body", LargeBinary),  # encrypted under the inbox key; emptied when set aside
    Column("received_at", UtcDateTime, nullable=False),  # once set aside, the day of UTC on which it was
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("fault", String(80)),  # class name of the error that set it aside
    UniqueConstraint("channel", "key"),
    Index("ix_updates_waiting", "state", "id"),
)

handled_updates = Table(  # by which an update that the platform repeats is recognized; no order, nothing of a person
    "handled_updates",
    metadata,
    Column("key", String(160), primary_key=True),
    Column("day", Date, nullable=False),  # of UTC, on which it was handled
    Index("ix_handled_updates_day", "day"),
    sqlite_with_rowid=False,
)

# ---------------------------------------------------------------- outbound

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("channel", String(10), nullable=False),
    Column("address", String(160), nullable=False),  # of replies and signals a keyed name, and nothing once ended
    Column("kind", String(8), nullable=False),  # signal | reply | notice | prompt
    Column("priority", SmallInteger, nullable=False),  # smaller first
    Column("body", Text),  # encrypted, see storage/envelopes.py; emptied once the delivery has ended
    Column("due_at", UtcDateTime, nullable=False),  # of ended replies and signals this and ended_at are the day of UTC
    Column("deadline", UtcDateTime),
    Column("state", String(8), nullable=False),  # see storage/queue/outbox.py
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("lease_until", UtcDateTime),
    Column("worker", String(40)),
    Column("platform_ref", String(160)),
    Column("platform_status", String(10)),  # last status by the platform: sent | failed | delivered | read
    Column("delivered_at", UtcDateTime),  # when it was on the recipient's device, by the platform's clock
    Column("prompt_id", Id),  # of the prompt whose question it shows; null: it shows none
    Column("fault", String(80)),
    Column("ended_at", UtcDateTime),
    Index("ix_deliveries_due", "channel", "state", "priority", "due_at", "id"),
    Index("ix_deliveries_recipient", "address", "state", "channel"),
    Index("ix_deliveries_reference", "platform_ref", "channel"),
    sqlite_autoincrement=True,  # the platform returns the id in receipts up to a week later: ids are never reused
)

rate_limits = Table(  # of each platform credential; moments are Unix seconds
    "rate_limits",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("next_at", Float, nullable=False, server_default="0"),  # only workers of version 0.1 use it; to be dropped
    Column("holder", String(40)),  # the worker that sends on it, or did last
    Column("held_until", Float, nullable=False, server_default="0"),  # a platform's 429 stops sending until then
    Column("factor", Float, nullable=False, server_default="1"),  # by how much sending is slowed down since a refusal
    Column("refused_at", Float, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),
)

refusal_streaks = Table(  # refusals in a row, by error codes that no table knows; see storage/queue/refusal_streaks.py
    "refusal_streaks",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("kind", String(8), primary_key=True),  # notice | prompt
    Column("code", String(80), nullable=False),  # of the last one, as the channel words it
    Column("began_at", UtcDateTime, nullable=False),
    Column("counted_from", UtcDateTime, nullable=False),  # refusals since then led to the last pause
    Column("refusals", Integer, nullable=False, server_default="0"),
    Column("is_late", Boolean, nullable=False, server_default=false()),  # reported after messages were accepted
    Column("pauses", SmallInteger, nullable=False, server_default="0"),
    Column("paused_at", UtcDateTime),
    Column("paused_until", UtcDateTime),
)

channel_facts = Table(  # reported by the platforms about our accounts: limits, why a channel is stopped
    "channel_facts",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

template_states = Table(  # status of our templates as reported by the platform; absent: never reported
    "template_states",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("code", String(10), primary_key=True),  # the platform's language code
    Column("status", String(20), nullable=False),  # APPROVED, PENDING, REJECTED, PAUSED, DISABLED ...
    Column("category", String(20), nullable=False, server_default=""),
    Column("quality", String(20), nullable=False, server_default=""),
    Column("noted_at", UtcDateTime, nullable=False),
)

transcript_messages = Table(  # the web chat is its own platform: the messages shown in each chat
    "transcript_messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", String(160), nullable=False),  # a keyed name of the chat
    Column("token", String(120), nullable=False, unique=True),  # a keyed name of the delivery's key: added once
    Column("is_mine", Boolean, nullable=False),  # from the visitor: what they typed or pressed
    Column("body", Text, nullable=False),  # JSON of text, rows and time, encrypted
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("at", UtcDateTime, nullable=False),  # the day of UTC
    Index("ix_transcript_messages_address", "address", "id"),
    Index("ix_transcript_messages_revision", "revision"),
)

key_fingerprints = Table(  # of the generated keys that this database belongs to; storage/key_fingerprints.py
    "key_fingerprints",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
)
