"""Tables of servants and of their learning record."""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
    true,
)

from storage.database import UtcDateTime
from storage.schema.base import Id, metadata

_is_general, _is_deferred = text("institution_id IS NULL"), text("deferred_on IS NOT NULL")  # of partial indexes
_is_waiting = text("block IS NULL")

# ---------------------------------------------------------------- institutions and servants

institutions = Table(
    "institutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", String(24), nullable=False, unique=True),  # enrolment code, in capitals
    Column("name", String(200), nullable=False),
    Column("sphere", String(10), nullable=False),  # state | municipal
    Column("is_fictional", Boolean, nullable=False, server_default=false()),
    Column("responsible", String(200)),  # who answers for its servants' personal data; null: the State's ministry
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
    Column("member_since", Date),  # of this institution; null: since enrolled_on
    Column("is_fictional", Boolean, nullable=False, server_default=false()),  # invented for the demonstration
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

address_refusals = Table(  # addresses that the platform did not reach; a row goes as soon as they are reached again
    "address_refusals",
    metadata,
    Column("channel", String(10), primary_key=True),
    Column("address", String(160), primary_key=True),
    Column("refusals", SmallInteger, nullable=False),  # in this series, at most one for each try
    Column("first_on", Date, nullable=False),
    Column("refused_at", UtcDateTime, nullable=False),  # the last one
    Column("retry_on", Date, nullable=False),  # no prompt is planned before
    ForeignKeyConstraint(
        ["channel", "address"], ["addresses.channel", "addresses.address"], ondelete="CASCADE", onupdate="CASCADE"
    ),
)

join_codes = Table(  # link a second channel to the same servant; valid once, for minutes
    "join_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
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
    Column("institution_id", Id),  # to which an answer counts; null: the servant's own (set for those who move)
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
    Column("lane", String(9), nullable=False, server_default="place"),  # in which it is counted: drawn when recorded
    Column("block", Id),  # null: not counted yet; 0: never shown
    Column("closing", Integer),  # the first closing after it was recorded
    Index("ix_answers_servant", "servant_id", "day"),
    Index("ix_answers_waiting", "lane", "closing", sqlite_where=_is_waiting, postgresql_where=_is_waiting),
)

packed_memories = Table(  # one row a servant: what they remember and were sent, packed by content/learning
    "packed_memories",
    metadata,
    Column("servant_id", Id, ForeignKey("servants.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("memory", LargeBinary),  # null: to be rebuilt from the answers
    Column("sent", LargeBinary),
)

# ---------------------------------------------------------------- blocks: answers counted once
# Records, not a cache: never changed, recounted or rebuilt; see storage/reports/blocks.py.

closings = Table(  # one a week: what waited was counted into blocks
    "closings",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False),  # local
    Column("last_prompt", Id, nullable=False),  # the highest id then: whether people have been asked since
)

blocks = Table(  # a part of the answers (or, in the lane reach, of the people) that is large enough to be shown
    "blocks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("lane", String(9), nullable=False),
    Column("rung", SmallInteger, nullable=False),  # 0: the finest; see storage/reports/ladders.py
    Column("key", String(100), nullable=False),  # what its rows share, e.g. the id of an institution and a topic
    Column("is_fictional", Boolean, nullable=False),
    Column("since", Date, nullable=False),  # Mondays of the first and the last week that it covers
    Column("week", Date, nullable=False),
    Column("closing", Integer, ForeignKey("closings.n"), nullable=False),
    UniqueConstraint("lane", "rung", "key", "is_fictional", "closing"),
    Index("ix_blocks_week", "week"),
)

block_counts = Table(
    "block_counts",
    metadata,
    Column("block_id", Id, ForeignKey("blocks.id"), primary_key=True, autoincrement=False),
    Column("measure", String(10), primary_key=True),
    Column("value", Integer, nullable=False),  # clamped and rounded
)
