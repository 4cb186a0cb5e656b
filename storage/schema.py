"""Every table, annotated. Two halves that no column joins: the learning record and the confidential lane."""

from sqlalchemy import (
    BigInteger,
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

from storage.database import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows only in columns named INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")

# ---------------------------------------------------------------- people and institutions

institutions = Table(
    "institutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(24), nullable=False, unique=True),  # enrolment code, in capitals
    Column("name", String(200), nullable=False),
    Column("sphere", String(10), nullable=False),  # state | municipal
    Column("is_fictional", Boolean, nullable=False, server_default=false()),
)

closures = Table(  # days on which an institution does not work; institution null: nobody does
    "closures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("institution_id", Id, ForeignKey("institutions.id", ondelete="CASCADE")),
    Column("day", Date, nullable=False),
    UniqueConstraint("institution_id", "day"),
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
    Column("channel", String(10)),  # where prompts go, for whoever is on several; null: the first that reaches them
    Column("planned_on", Date, nullable=False, server_default="0001-01-01"),  # the last day that brought a prompt
    Index("ix_servants_due", "state", "hour"),
    Index("ix_servants_unplanned", "state", "hour", "planned_on"),
    Index("ix_servants_members", "institution_id", "state"),
)

_waits = text("put_off_on IS NOT NULL")

addresses = Table(  # where a servant is on a channel; of strangers nothing is kept
    "addresses",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("address", String(160), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("is_reachable", Boolean, nullable=False, server_default=true()),
    Column("alias", String(160)),  # another name of the same person there: a phone number beside a scoped id
    Column("heard_at", UtcDateTime),  # the person's last word by the platform's clock: opens the window of WhatsApp
    Column("knocked_at", UtcDateTime),  # the last template outside that window: who counts against the daily limit
    Column("put_off_on", Date),  # since when a prompt waits for that limit
    Column("no_marketing", Boolean, nullable=False, server_default=false()),  # told the platform so
    Index("ix_addresses_alias", "channel", "alias"),
    Index("ix_addresses_knocked", "channel", "knocked_at"),
    Index("ix_addresses_put_off", "channel", "put_off_on", sqlite_where=_waits, postgresql_where=_waits),
)

join_codes = Table(  # by which a servant brings a second channel to the same record; once, for minutes
    "join_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

# ---------------------------------------------------------------- what reached us

updates = Table(  # stored before it is acknowledged, handled once
    "updates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", String(10), nullable=False),
    Column("key", String(160), nullable=False),
    Column("address", String(160), nullable=False),
    Column("state", String(8), nullable=False),  # waiting | done | aside
    Column("body", LargeBinary),  # sealed under the inbox key; emptied once handled
    Column("received_at", UtcDateTime, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("fault", String(80)),  # kind of the fault that set it aside
    UniqueConstraint("channel", "key"),
    Index("ix_updates_waiting", "state", "id"),
)

# ---------------------------------------------------------------- the learning record

prompts = Table(  # one a servant and day
    "prompts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False),
    Column("day", Date, nullable=False),
    Column("scenario_id", String(40), nullable=False),
    Column("competency_id", String(40), nullable=False),
    Column("reason", String(20), nullable=False),  # why this one: new | due | soonest ...
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
    Column("option", String(1), nullable=False),  # a, b, c, d: the place in the file
    Column("is_right", Boolean, nullable=False),
    Column("confidence", String(8)),  # sure | think | guess
    Column("day", Date, nullable=False),  # local to the servant
    Column("answered_at", UtcDateTime, nullable=False),
    Index("ix_answers_servant", "servant_id", "day"),
    Index("ix_answers_report", "institution_id", "day"),
)

memories = Table(  # how well a competency is held (FSRS-6; days are local)
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

# ---------------------------------------------------------------- the learning record, counted
# Days that are over, so that reports read few rows; made from prompts and answers by storage/reports/aggregates.py.

kept_until = Table(  # one row
    "kept_until",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # 1
    Column("day", Date, nullable=False),  # every day up to it is counted below, and none after it
    Column("since", Date, nullable=False),  # the day on which keeping began
)

kept_answers = (
    Table(  # each person once a day and group, with the day of their answer before: see storage/reports/aggregates.py
        "kept_answers",
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
)

kept_prompts = Table(  # by the institution in which the servant is now
    "kept_prompts",
    metadata,
    Column("institution_id", Id, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),  # the prompt's
    Column("asked", Integer, nullable=False),
    Column("answered", Integer, nullable=False),  # up to `kept_until`, on whatever day
    sqlite_with_rowid=False,
)

kept_last = Table(  # the newest counted day on which a servant answered
    "kept_last",
    metadata,
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("institution_id", Id, primary_key=True, autoincrement=False),
    Column("topic_id", String(40), primary_key=True),
    Column("day", Date, nullable=False),
    sqlite_with_rowid=False,
)

# ---------------------------------------------------------------- what leaves

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(120), nullable=False, unique=True),
    Column("channel", String(10), nullable=False),
    Column("address", String(160), nullable=False),
    Column("kind", String(8), nullable=False),  # reply | notice | prompt
    Column("priority", SmallInteger, nullable=False),  # smaller first
    Column("body", Text),  # JSON of the parcel; emptied once it is over
    Column("due_at", UtcDateTime, nullable=False),
    Column("deadline", UtcDateTime),
    Column("state", String(8), nullable=False),  # see storage/queue/outbox.py
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("lease_until", UtcDateTime),
    Column("worker", String(40)),
    Column("platform_ref", String(160)),
    Column("fate", String(10)),  # what the platform told since: sent | failed | delivered | read
    Column("fault", String(80)),
    Column("ended_at", UtcDateTime),
    Index("ix_deliveries_due", "channel", "state", "priority", "due_at", "id"),
    Index("ix_deliveries_person", "address", "state", "channel"),
    Index("ix_deliveries_reference", "platform_ref", "channel"),
    sqlite_autoincrement=True,  # an id comes back with a platform's word a week later: it is never given again
)

paces = Table(  # how fast a platform's credential may speak; moments are Unix seconds
    "paces",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("next_at", Float, nullable=False, server_default="0"),  # the next free slot
    Column("held_until", Float, nullable=False, server_default="0"),
    Column("factor", Float, nullable=False, server_default="1"),  # how much slower since a refusal
    Column("refused_at", Float, nullable=False, server_default="0"),
    Column("refusals", Integer, nullable=False, server_default="0"),
)

channel_facts = Table(  # what the platforms told about ourselves: limits, numbers, why a channel stands still
    "channel_facts",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

template_states = Table(  # how the platform looks at our templates; one that is not here was never spoken of
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

bubbles = Table(  # the web chat's own platform: what stands in each person's chat
    "bubbles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", String(160), nullable=False),
    Column("token", String(120), nullable=False, unique=True),  # the delivery's key: shown once
    Column("is_mine", Boolean, nullable=False),  # what the person did, as the chat shows it
    Column("body", Text, nullable=False),  # JSON of text and rows
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_bubbles_address", "address", "id"),
)

# ---------------------------------------------------------------- officers

officers = Table(
    "officers",
    metadata,
    Column("id", String(22), primary_key=True),  # random
    Column("email", String(200), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(8), nullable=False),  # officer | liaison | author | admin
    Column("institution_id", Id, ForeignKey("institutions.id")),  # a liaison's
    Column("state", String(8), nullable=False),  # invited | pending | active | left
    Column("reading_key", Text),  # public, P-256 uncompressed point, base64url
    Column("signing_key", Text),  # public, likewise
    Column("salt", Text),  # PBKDF2 salt of the passphrase, base64url
    Column("auth_hash", Text),  # Argon2id of the auth key
    Column("bundle", Text),  # private keys wrapped under the passphrase (JSON)
    Column("recovery_bundle", Text),  # the same under the recovery code
    Column("unit_bundle", Text),  # the unit's signing key wrapped for the head officer
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

key_lists = Table(  # who may read, signed by the unit; the newest serial counts
    "key_lists",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),  # canonical JSON
    Column("signature", Text, nullable=False),  # ECDSA P-256 / SHA-256, base64url
)

ledger = Table(  # who did what, when; each row holds the hash of the one before
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

# ---------------------------------------------------------------- the confidential lane
# No rowid, random keys, days instead of moments: no order tells which servant a case is of.

cases = Table(
    "cases",
    metadata,
    Column("id", String(22), primary_key=True),  # 16 random bytes from the asker's browser, base64url
    Column("day", Date, nullable=False),
    Column("state", String(10), nullable=False),  # see storage/confidential/cases.py
    Column("epoch", SmallInteger, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("size_step", SmallInteger, nullable=False),  # KiB of the first letter's padding
    Column("road", String(6), nullable=False),  # form | chat
    Column("locator_hash", String(64), nullable=False, unique=True),
    Column("asker_key", Text, nullable=False),  # public reading key
    Column("asker_bundle", Text, nullable=False),  # private half, wrapped under the eight words
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

routes = Table(  # where to ring when there is news; gone when the case closes
    "routes",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed_address", Text, nullable=False),  # under the route key
    Column("has_news", Boolean, nullable=False, server_default=false()),
    sqlite_with_rowid=False,
)

links = Table(  # one-time ways into the letterbox
    "links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("sealed_address", Text, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),  # rounded to the hour
    sqlite_with_rowid=False,
)
