"""tables of the second protocol of confidential queries; keys and letters of the first one cannot be read by it"""

import sqlalchemy as sa
from alembic import op

from storage.database import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

EMPTIED = ("sessions", "invites", "officers")
REPLACED = ("access", "letters", "routes", "links", "key_lists", "cases")


def upgrade() -> None:
    # Officers' keys were derived under other labels, letters sealed in another format: neither could be opened any more.
    # The first version was in use nowhere but in trials.
    for table in EMPTIED:
        op.execute(sa.table(table).delete())
    for table in REPLACED:
        op.drop_table(table)
    _change_officers()
    _create_lists_and_links()
    _create_cases()


def _change_officers() -> None:
    with op.batch_alter_table("officers", schema=None) as batch_op:
        for column in ("reading_key", "signing_key"):
            batch_op.drop_column(column)
        batch_op.add_column(sa.Column("joining", sa.Text()))
        batch_op.add_column(sa.Column("notebook", sa.Text()))
        batch_op.add_column(sa.Column("notebook_version", sa.Integer()))


def _create_lists_and_links() -> None:
    op.create_table(
        "key_lists",
        sa.Column("serial", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_key_lists"),
    )
    op.create_table(
        "routes",
        sa.Column("row", sa.String(43), nullable=False),
        sa.Column("sealed_address", sa.Text, nullable=False),
        sa.Column("has_news", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expires_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_routes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "links",
        sa.Column("row", sa.String(43), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("row", name="pk_links"),
        sqlite_with_rowid=False,
    )


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.String(22), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("size_step", sa.SmallInteger, nullable=False),
        sa.Column("origin", sa.String(6), nullable=False),
        sa.Column("locator_hash", sa.String(64), nullable=False),
        sa.Column("asker_box", sa.Text, nullable=False),
        sa.Column("asker_version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sa.UniqueConstraint("locator_hash", name="uq_cases_locator_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "access",
        sa.Column("case_id", sa.String(22), nullable=False),
        sa.Column("lane", sa.String(5), nullable=False),
        sa.Column("reader", sa.String(22), nullable=False),
        sa.Column("epoch", sa.SmallInteger, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_access_case_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "lane", "reader", name="pk_access"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "letters",
        sa.Column("case_id", sa.String(22), nullable=False),
        sa.Column("lane", sa.String(5), nullable=False),
        sa.Column("seq", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("letter", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_letters_case_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", "lane", "seq", name="pk_letters"),
        sqlite_with_rowid=False,
    )
