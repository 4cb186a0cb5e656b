"""All tables. No column joins the two halves: the learning record and the confidential queries."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from storage.columns import NAMING_CONVENTION, Id
from storage.database import UtcDateTime

metadata = MetaData(naming_convention=NAMING_CONVENTION)

_is_general, _is_deferred = text("institution_id IS NULL"), text("deferred_on IS NOT NULL")  # of partial indexes

# ---------------------------------------------------------------- institutions and servants

institutions = Table(
    "institutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(24), nullable=False, unique=True),  # enrolment code, in capitals
    Column("name", String(200), nullable=False),
    Column("sphere", String(10), nullable=False),  # state | municipal
    Column("is_fictional", Boolean, nullable=False, server_default=false()),
)

closures = Table(  # days on which an institution does not work; institution_id null: on which none does
    "closures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("institution_id", Id, ForeignKey("institutions.id", ondelete="CASCADE")),
    Column("day", Date, nullable=False),
    Column("name", String(200), nullable=False, server_default=""),  # what people call it: "Batalla de Puebla"
    UniqueConstraint("institution_id", "day"),  # does not hold for null
    Index("ix_closures_general", "day", unique=True, sqlite_where=_is_general, postgresql_where=_is_general),
    Index("ix_closures_day", "day", "institution_id"),
)

servants = Table(
    "servants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("institution_id", Id, ForeignKey("institutions.id"), nullable=False),
    Column("state", String(8), nullable=False),  # active | paused | left
    Column("language", String(2), nullable=False),  # es | en
    Column("hour", SmallInteger, nullable=False),  # local hour of the prompt, 0 to 23
    Column("notice_version", String(20), nullable=False),  # the privacy notice that was accepted
    Column("consented_at", UtcDateTime, nullable=False),
    Column("enrolled_on", Date, nullable=False),
    Column("paused_until", Date),
    Column("channel", String(10)),  # preferred for prompts; null: the first reachable
    Column("planned_on", Date, nullable=False, server_default="0001-01-01"),  # day of the last prompt
    Index("ix_servants_due", "state", "hour"),
    Index("ix_servants_unplanned", "state", "hour", "planned_on"),
    Index("ix_servants_members", "institution_id", "state"),
)

addresses = Table(  # of servants on channels; nothing is stored about strangers
    "addresses",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("address", String(160), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("is_reachable", Boolean, nullable=False, server_default=true()),
    Column("alias", String(160)),  # second name of the same account: a phone number beside a scoped id
    Column("heard_at", UtcDateTime),  # last inbound message by the platform's clock: opens the channel's reply window
    Column("template_sent_at", UtcDateTime),  # last template outside that window: counts against the daily limit
    Column("deferred_on", Date),  # since when a prompt has been waiting for that limit
    Column("no_marketing", Boolean, nullable=False, server_default=false()),  # opted out of marketing on the platform
    Index("ix_addresses_alias", "channel", "alias"),
    Index("ix_addresses_template_sent", "channel", "template_sent_at"),
    Index("ix_addresses_deferred", "channel", "deferred_on", sqlite_where=_is_deferred, postgresql_where=_is_deferred),
)

join_codes = Table(  # link a second channel to the same servant; valid once, for minutes
    "join_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

# ---------------------------------------------------------------- inbound

updates = Table(  # stored before they are acknowledged, handled once
    "updates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(10), nullable=False),
    Column("key", String(160), nullable=False),
    Column("address", String(160), nullable=False),
    Column("state", String(8), nullable=False),  # waiting | done | aside (dead letter)
    Column("body", LargeBinary),  # sealed under the inbox key; emptied once handled
    Column("received_at", UtcDateTime, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("fault", String(80)),  # class name of the error that set it aside
    UniqueConstraint("channel", "key"),
    Index("ix_updates_waiting", "state", "id"),
)

# ---------------------------------------------------------------- the learning record

prompts = Table(  # one per servant and day
    "prompts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("scenario_id", String(40), nullable=False),
    Column("competency_id", String(40), nullable=False),
    Column("reason", String(20), nullable=False),  # why it was selected: new | due | soonest ...
    UniqueConstraint("servant_id", "day"),
    Index("ix_prompts_day", "day"),
)

answers = Table(
    "answers",
    metadata,
    Column("prompt_id", Id, ForeignKey("prompts.id", ondelete="CASCADE"), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False),
    Column("institution_id", Id, ForeignKey("institutions.id"), nullable=False),
    Column("topic_id", String(40), nullable=False),
    Column("competency_id", String(40), nullable=False),
    Column("scenario_id", String(40), nullable=False),
    Column("option", String(1), nullable=False),  # a, b, c, d: the position in the content file
    Column("is_right", Boolean, nullable=False),
    Column("confidence", String(8)),  # sure | think | guess
    Column("day", Date, nullable=False),  # local to the servant
    Column("answered_at", UtcDateTime, nullable=False),
    Index("ix_answers_servant", "servant_id", "day"),
    Index("ix_answers_report", "institution_id", "day"),
)

memories = Table(  # how well a servant remembers a competency (FSRS-6; days are local)
    "memories",
    metadata,
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), primary_key=True),
    Column("competency_id", String(40), primary_key=True),
    Column("stability", Float, nullable=False),  # days
    Column("difficulty", Float, nullable=False),  # 1 to 10
    Column("reviewed_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("repetitions", Integer, nullable=False),
)

# ---------------------------------------------------------------- aggregates of the learning record
# Past days, so that reports read few rows; derived from prompts and answers by storage/reports/aggregates.py.

aggregation_state = Table(  # one row
    "aggregation_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # 1
    Column("day", Date, nullable=False),  # every day up to it is aggregated, and none after it
    Column("since", Date, nullable=False),  # the day on which aggregation began
)

# Each servant once per day and group, with the day of their previous answer: see storage/reports/aggregates.py.
answer_aggregates = Table(
    "answer_aggregates",
    metadata,
    Column("institution_id", Id, primary_key=True, autoincrement=False),  # as in answers; 0: all together
    Column("topic_id", String(40), primary_key=True),  # empty: all together
    Column("day", Date, primary_key=True),
    Column("previous", Date, primary_key=True),  # the last day before it in the same group; 0001-01-01: never
    Column("people", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("right_answers", Integer, nullable=False),
    sqlite_with_rowid=False,
)

prompt_aggregates = Table(  # by the servant's current institution
    "prompt_aggregates",
    metadata,
    Column("institution_id", Id, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),  # the prompt's
    Column("asked", Integer, nullable=False),
    Column("answered", Integer, nullable=False),  # of these prompts, on any day up to `aggregation_state.day`
    sqlite_with_rowid=False,
)

last_answer_days = Table(  # the newest aggregated day on which a servant answered
    "last_answer_days",
    metadata,
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("institution_id", Id, primary_key=True, autoincrement=False),
    Column("topic_id", String(40), primary_key=True),
    Column("day", Date, nullable=False),
    sqlite_with_rowid=False,
)

# ---------------------------------------------------------------- outbound

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("channel", String(10), nullable=False),
    Column("address", String(160), nullable=False),
    Column("kind", String(8), nullable=False),  # signal | reply | notice | prompt
    Column("priority", SmallInteger, nullable=False),  # smaller first
    Column("body", Text),  # JSON of the parcel; emptied once the delivery has ended
    Column("due_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime),
    Column("state", String(8), nullable=False),  # see storage/queue/outbox.py
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("lease_until", UtcDateTime),
    Column("worker", String(40)),
    Column("platform_ref", String(160)),
    Column("platform_status", String(10)),  # last status by the platform: sent | failed | delivered | read
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
    Column("next_at", Float, nullable=False, server_default="0"),  # the next free slot
    Column("held_until", Float, nullable=False, server_default="0"),
    Column("factor", Float, nullable=False, server_default="1"),  # by how much sending is slowed down since a refusal
    Column("refused_at", Float, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),
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
    Column("address", String(160), nullable=False),
    Column("token", String(120), nullable=False, unique=True),  # the delivery's key: added once
    Column("is_mine", Boolean, nullable=False),  # from the visitor: what they typed or pressed
    Column("body", Text, nullable=False),  # JSON of text and rows
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_transcript_messages_address", "address", "id"),
)

key_fingerprints = Table(  # of the generated keys that this database belongs to; storage/key_fingerprints.py
    "key_fingerprints",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
)

# ---------------------------------------------------------------- officers

officers = Table(
    "officers",
    metadata,
    Column("id", String(22), primary_key=True),  # random
    Column("email", String(200), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(8), nullable=False),  # officer | liaison | author | admin
    Column("institution_id", Id, ForeignKey("institutions.id")),  # of a liaison
    Column("state", String(8), nullable=False),  # invited | pending | active | left
    Column("reading_key", Text),  # public, P-256 uncompressed point, base64url
    Column("signing_key", Text),  # public, same format
    Column("salt", Text),  # PBKDF2 salt of the passphrase, base64url
    Column("auth_hash", Text),  # Argon2id of the auth key
    Column("bundle", Text),  # private keys, wrapped with the passphrase (JSON)
    Column("recovery_bundle", Text),  # the same, wrapped with the recovery code
    Column("unit_bundle", Text),  # the unit's signing key, wrapped for the head officer
)

invites = Table(
    "invites",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("officer_id", String(22), ForeignKey("officers.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("officer_id", String(22), ForeignKey("officers.id", ondelete="CASCADE"), nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

key_lists = Table(  # officers who may read, signed by the unit; the newest serial is in force
    "key_lists",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),  # canonical JSON
    Column("signature", Text, nullable=False),  # ECDSA P-256 / SHA-256, base64url
)

ledger = Table(  # audit log; each row holds the hash of the previous one
    "ledger",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False),
    Column("hour", SmallInteger, nullable=False),
    Column("officer_id", String(22), nullable=False),
    Column("verb", String(20), nullable=False),
    Column("case_id", String(22), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# ---------------------------------------------------------------- confidential queries
# No rowid, random keys, days instead of moments: no ordering reveals which servant a case belongs to.

cases = Table(
    "cases",
    metadata,
    Column("id", String(22), primary_key=True),  # 16 random bytes from the asker's browser, base64url
    Column("day", Date, nullable=False),
    Column("state", String(10), nullable=False),  # see storage/confidential/cases.py
    Column("epoch", SmallInteger, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("size_step", SmallInteger, nullable=False),  # KiB of the first letter's padding
    Column("origin", String(6), nullable=False),  # form | chat
    Column("locator_hash", String(64), nullable=False, unique=True),
    Column("asker_key", Text, nullable=False),  # public reading key
    Column("asker_bundle", Text, nullable=False),  # private half, wrapped with the eight words
    sqlite_with_rowid=False,
)

access = Table(  # the case key of an epoch, sealed to one reader
    "access",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", SmallInteger, primary_key=True),
    Column("reader", String(22), primary_key=True),  # an officer's id, "asker" or "recovery"
    Column("sealed", Text, nullable=False),
    sqlite_with_rowid=False,
)

letters = Table(
    "letters",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", SmallInteger, nullable=False),
    Column("envelope", Text, nullable=False),  # JSON, see storage/confidential/sealing.py
    sqlite_with_rowid=False,
)

routes = Table(  # chat address to notify of news; deleted when the case closes
    "routes",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_address", Text, nullable=False),  # encrypted with the route key
    Column("has_news", Boolean, nullable=False, server_default=false()),
    sqlite_with_rowid=False,
)

links = Table(  # one-time links into the letterbox
    "links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("sealed_address", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),  # rounded to the hour
    sqlite_with_rowid=False,
)
