"""answers counted once into blocks, in the place of aggregates"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AGGREGATES = ("last_answer_days", "prompt_aggregates", "answer_aggregates", "aggregation_state")

INVENTED = """
    UPDATE servants SET is_fictional = true
    WHERE state <> 'left' AND NOT EXISTS (SELECT 1 FROM addresses WHERE addresses.servant_id = servants.id)
      AND EXISTS (SELECT 1 FROM institutions i WHERE i.id = servants.institution_id AND i.is_fictional)
"""
"""The people of the demonstration, who have no address; all others enrolled themselves."""


def upgrade() -> None:
    # Processes of the version before read and write the aggregates, so they fail until they are replaced.
    for name in AGGREGATES:
        op.drop_table(name)
    op.drop_index("ix_answers_report", table_name="answers")
    op.create_table(
        "closings",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("last_prompt", Id, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_closings"),
    )
    op.create_table(
        "blocks",
        sa.Column("id", Id, nullable=False),
        sa.Column("lane", sa.String(9), nullable=False),
        sa.Column("rung", sa.SmallInteger, nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("is_fictional", sa.Boolean, nullable=False),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("week", sa.Date, nullable=False),
        sa.Column("closing", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blocks"),
        sa.ForeignKeyConstraint(["closing"], ["closings.n"], name="fk_blocks_closing"),
        sa.UniqueConstraint(
            "lane", "rung", "key", "is_fictional", "closing", name="uq_blocks_lane_rung_key_is_fictional_closing"
        ),
    )
    op.create_index("ix_blocks_week", "blocks", ["week"])
    op.create_table(
        "block_counts",
        sa.Column("block_id", Id, nullable=False, autoincrement=False),
        sa.Column("measure", sa.String(10), nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("block_id", "measure", name="pk_block_counts"),
        sa.ForeignKeyConstraint(["block_id"], ["blocks.id"], name="fk_block_counts_block_id"),
    )
    op.add_column("servants", sa.Column("member_since", sa.Date))
    op.add_column("servants", sa.Column("is_fictional", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(INVENTED)
    op.add_column("prompts", sa.Column("institution_id", Id))
    op.add_column("answers", sa.Column("lane", sa.String(9), nullable=False, server_default="place"))
    op.add_column("answers", sa.Column("block", Id))
    op.add_column("answers", sa.Column("closing", sa.Integer))
    waiting = sa.text("block IS NULL")
    op.create_index(
        "ix_answers_waiting", "answers", ["lane", "closing"], sqlite_where=waiting, postgresql_where=waiting
    )
