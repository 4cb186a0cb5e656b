"""aggregates of answers and prompts"""

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    id_type = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "kept_until",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_until")),
    )
    op.create_table(
        "kept_answers",
        sa.Column("institution_id", id_type, autoincrement=False, nullable=False),
        sa.Column("topic_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("previous", sa.Date(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("right_answers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("institution_id", "topic_id", "day", "previous", name=op.f("pk_kept_answers")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_prompts",
        sa.Column("institution_id", id_type, autoincrement=False, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("institution_id", "day", name=op.f("pk_kept_prompts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "kept_last",
        sa.Column("servant_id", id_type, autoincrement=False, nullable=False),
        sa.Column("institution_id", id_type, autoincrement=False, nullable=False),
        sa.Column("topic_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["servant_id"], ["servants.id"], name=op.f("fk_kept_last_servant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("servant_id", "institution_id", "topic_id", name=op.f("pk_kept_last")),
        sqlite_with_rowid=False,
    )
