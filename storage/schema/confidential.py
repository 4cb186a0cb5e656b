"""Tables of officers and of confidential queries."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from storage.database import UtcDateTime
from storage.schema.base import Id, metadata

# ---------------------------------------------------------------- officers

NOT_GONE = text("state NOT IN ('suspended', 'left')")

officers = Table(
    "officers",
    metadata,
    Column("id", String(22), primary_key=True),  # random
    Column("email", String(200), nullable=False),  # of one officer who may sign in, and of all who were before
    Column("name", String(120), nullable=False),
    Column("role", String(8), nullable=False),  # officer | liaison | author | admin
    Column("institution_id", Id, ForeignKey("institutions.id")),  # of a liaison
    Column("state", String(9), nullable=False),  # invited | pending | active | suspended | left
    Column("joining", Text),  # a reader's join statement with its proofs (canonical JSON)
    Column("salt", Text),  # PBKDF2 salt of the passphrase, base64url
    Column("auth_hash", Text),  # Argon2id of the auth key
    Column("bundle", Text),  # private keys, wrapped with the passphrase (canonical JSON, as all boxes)
    Column("code_hash", Text),  # Argon2id of what the browser derives from the recovery code
    Column("recovery_bundle", Text),  # the private keys again, wrapped with the recovery code
    Column("unit_key", Text),  # the unit's signing key, sealed to the reading key of an officer who holds it
    Column("notebook", Text),  # what the officer has seen, encrypted
    Column("notebook_version", Integer),
    Index("uq_officers_email_not_gone", "email", unique=True, sqlite_where=NOT_GONE, postgresql_where=NOT_GONE),
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
    Column("factor", String(7), nullable=False),  # "" | totp | passkey
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("mac", String(43), nullable=False),  # see storage/confidential/protocol/tokens.py
)

factors = Table(  # what an officer shows besides the words
    "factors",
    metadata,
    Column("id", String(22), primary_key=True),  # random
    Column("officer_id", String(22), ForeignKey("officers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(7), nullable=False),  # totp
    Column("secret", Text, nullable=False),  # of an app, encrypted with the key of factors
    Column("used", BigInteger, nullable=False),  # the step of the last code: none is accepted twice
    Column("added_on", Date, nullable=False),
)

key_lists = Table(  # who may read, signed by the unit: a chain, all of which is kept
    "key_lists",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),  # the list with its signature, canonical JSON
)

custodians = Table(  # two of three open the recovery key
    "custodians",
    metadata,
    Column("id", String(22), primary_key=True),  # random
    Column("name", Text, nullable=False),
    Column("token_hash", String(64), unique=True),  # of the invitation, until it is used
    Column("expires_at", UtcDateTime),  # of the invitation
    Column("statement", Text),  # name and public key (canonical JSON)
    Column("box", Text),  # the private key, wrapped with the custodian's code
)

custodies = Table(  # recovery keys: proposed, in force, and those of former lists
    "custodies",
    metadata,
    Column("recovery", String(22), primary_key=True),  # the reader's id
    Column("body", Text, nullable=False),  # the custody with the unit's signature (canonical JSON, as all below)
    Column("joining", Text, nullable=False),  # the recovery reader's join statement with the proofs given so far
    Column("rehearsals", Text, nullable=False),  # a list of signed statements
    Column("uses", Text, nullable=False),  # a list of signed statements
)

ledger = Table(  # audit log; each row holds the hash of the previous one
    "ledger",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("day", Date, nullable=False),
    Column("officer_id", String(22), nullable=False),
    Column("verb", String(20), nullable=False),
    Column("case_id", String(22), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_ledger_officer", "officer_id", "verb", "seq"),  # failed attempts on an account since a sign-in
)

# ---------------------------------------------------------------- confidential queries
# No rowid, random keys, days instead of moments: these tables have no order. The ledger and the outbox do: joined with
# them, most cases point to a chat.

cases = Table(
    "cases",
    metadata,
    Column("id", String(22), primary_key=True),  # 16 random bytes from the asker's browser, base64url
    Column("day", Date, nullable=False),
    Column("state", String(10), nullable=False),  # see storage/confidential/cases.py
    Column("due_on", Date, nullable=False),
    Column("size_step", SmallInteger, nullable=False),  # KiB of the first letter's padding
    Column("origin", String(6), nullable=False),  # form | chat
    Column("locator_hash", String(64), nullable=False, unique=True),
    Column("asker_box", Text, nullable=False),  # private keys and memory, wrapped with the eight words (canonical JSON)
    Column("asker_version", Integer, nullable=False),
    sqlite_with_rowid=False,
)

access = Table(  # the key of the newest epoch, sealed to one reader
    "access",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("lane", String(5), primary_key=True),  # talk | notes
    Column("reader", String(22), primary_key=True),  # an id or "asker"
    Column("epoch", SmallInteger, nullable=False),
    Column("sealed", Text, nullable=False),
    sqlite_with_rowid=False,
)

letters = Table(
    "letters",
    metadata,
    Column("case_id", String(22), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("lane", String(5), primary_key=True),
    Column("seq", SmallInteger, primary_key=True, autoincrement=False),
    Column("letter", Text, nullable=False),  # canonical JSON, see storage/confidential/protocol/letters.py
    sqlite_with_rowid=False,
)

routes = Table(  # chat address to notify of news; no column joins it to a case
    "routes",
    metadata,
    Column("row", String(43), primary_key=True),  # keyed hash, see storage/confidential/protocol/tokens.py
    Column("sealed_address", Text, nullable=False),  # encrypted with the route key
    Column("news", SmallInteger, nullable=False, server_default="0"),  # how often it was flagged; 0: none waits
    Column("failed_on", Date),  # last day on which the platform did not take a notice: not tried again that day
    Column("failures", SmallInteger, nullable=False, server_default="0"),  # number of such days since the last notice
    Column("expires_on", Date, nullable=False),
    sqlite_with_rowid=False,
)

links = Table(  # one-time links into the letterbox
    "links",
    metadata,
    Column("row", String(43), primary_key=True),  # keyed hash of the link's token
    Column("expires_at", UtcDateTime, nullable=False),  # rounded to the hour
    sqlite_with_rowid=False,
)

link_counts = Table(  # how many links one chat was given on one day
    "link_counts",
    metadata,
    Column("row", String(43), primary_key=True),  # keyed hash of day and chat
    Column("links", SmallInteger, nullable=False),
    Column("day", Date, nullable=False),  # after which the row is deleted
    sqlite_with_rowid=False,
)
