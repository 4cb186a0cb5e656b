"""replies and updates whose rows tell nothing of a person; encrypted bodies; transcripts without addresses"""

import sqlalchemy as sa
from alembic import op

from storage.online_indexes import build_index

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TODAY = {  # midnight of UTC, as the dialect stores a moment
    "sqlite": "strftime('%Y-%m-%d 00:00:00.000000', 'now')",
    "postgresql": "date_trunc('day', now(), 'UTC')",
}
DROP = """
UPDATE deliveries SET state = 'dropped', fault = 'upgraded', ended_at = {today}
WHERE state IN ('waiting', 'claimed')
"""
EMPTY = "UPDATE deliveries SET body = NULL WHERE body IS NOT NULL"
BLANK = """
UPDATE deliveries SET address = '', platform_ref = NULL, deadline = NULL, lease_until = NULL, delivered_at = NULL,
    due_at = {today}, ended_at = {today}
WHERE kind IN ('signal', 'reply') AND prompt_id IS NULL
"""
BLANK_UPDATES = "UPDATE updates SET address = '', received_at = {today} WHERE state <> 'waiting'"


def upgrade() -> None:
    # The key that encrypts bodies is not here, and a body in the clear is sent by no process that asks whose row it is
    # in: what waits is dropped, and prompts of the day with it. The first version was in use nowhere but in trials.
    today = TODAY[op.get_context().dialect.name]
    for statement in (DROP, EMPTY, BLANK, BLANK_UPDATES):
        op.execute(statement.format(today=today).replace(":", r"\:"))
    op.execute(sa.table("transcript_messages").delete())  # they have addresses, whose names need the key
    build_index("ix_transcript_messages_revision", "transcript_messages", ["revision"])
