"""Constants of sending in one place, each with its unit, its reason, and the benchmark or test that shows what it does.

They lie here because both `storage/queue` and `bot/delivery` read them, and imports point down.
"""

from datetime import timedelta

# ---------------------------------------------------------------- one process sends on a credential

HOLDER_RETRY = 1.0
"""Seconds between two tries for a credential that another process holds, and between two signs of life of its holder.

After a kill -9 another process takes over within it (benchmark `takeover`); a try is one statement that writes nothing.
"""

HOLDER_SILENCE = 6.0
"""Seconds after which a silent holder has lost its credential: its process is frozen, or its machine has vanished.

Several signs of life may be late before; together with HOLDER_RETRY it stays below ten seconds (test_credentials.py).
"""

CLAIM_SILENCE = 5.0
"""Seconds after which the database ends a claim whose process says nothing more: it locks the credential's row.

Less than HOLDER_SILENCE, so that a process that froze within a claim does not hold up the one that takes over.
"""

TAKE_OVER_WAIT = 1.0
"""Seconds that a take-over waits for that row: the process that takes over must give signs of life meanwhile."""

CLOCK_DIFFERENCE = 60.0
"""Seconds by which the clocks of two machines may differ; a 429 recorded further in the future is ignored."""

# ---------------------------------------------------------------- how far ahead deliveries are claimed

AHEAD = 1.0
"""Seconds of messages that wait in the process for their turn, one for each recipient.

When half of them have left, as many are claimed. The other half bridges the planning of prompts on SQLite, for whose
transactions claims wait: with 0.5 the daily run lost 2 % of the rate. If the process is killed, what waits is sent
after LEASE, so not more (`daily_run`, `kills`).
"""

MAX_IN_FLIGHT = 256
"""Deliveries of a channel that are claimed, and connections to its platform, at most.

If the process dies, messages that the platform accepted and whose results are not recorded yet are sent twice, at most
one per connection (benchmarks `outbound`, `kills`).
"""

MIN_CLAIM_DIVISOR = 4
"""Claim when a fourth of those is free: claiming each by itself would cost a claim per message (`outbound`)."""

CLAIM_INTERVAL = 0.01
"""Seconds between two claims, so that deliveries collect to larger ones (`outbound`, `reply_latency`)."""

POLL_INTERVAL = 2.0
"""Seconds between two polls of the outbox when nothing wakes the dispatcher: a notification can be lost."""

# ---------------------------------------------------------------- even pace

MIN_GAP = 0.995
"""Least distance of two messages as a fraction of a step: late messages are caught up half a per cent faster.

At 29.4 messages a second, 31 then span 15 ms more than the second in which a platform allows 30, instead of 20: that is
what may be lost or gained on the way to the platform. With 0.99, and half a second of MAX_CATCH_UP, one of three runs
had refusals (`daily_run`).
"""

TIMER_TOLERANCE = 0.002
"""Seconds that a timer may fire late without moving the next turn: timers of event loops have milliseconds."""

MAX_CATCH_UP = 0.25
"""Seconds by which messages are late and which are caught up, at most: while prompts are planned, claims wait.

After a longer time without messages the pace starts afresh (`daily_run` on SQLite).
"""

# ---------------------------------------------------------------- back-off after a rate-limit response (429)

STRETCH = 1.2
"""Factor on the distance of messages after each 429 that ends a period without one."""

SLOWEST = 8.0
"""The distance grows up to this factor; three messages a second still reach all servants of a shift within the day."""

RECOVERY = 0.9
"""Factor on the back-off for each minute without another 429: a fourfold one is gone after a quarter of an hour."""

# ---------------------------------------------------------------- attempts

LEASE = timedelta(seconds=60)
"""How long a claim lasts: the time for an attempt, and for receipts of a process that died meanwhile (`kills`)."""

START_WITHIN = LEASE.total_seconds() - 30.0
"""Seconds after its claim in which an attempt may begin.

A channel may wait 10 for a connection and 15 for the response, and after the lease another worker may have claimed the
delivery (test_channel_sender.py adds them up).
"""

MAX_BACKOFF = 300.0
"""Seconds between two attempts of one delivery while its platform is unreachable, at most."""

TEMPLATE_RETRY = 900.0
"""Seconds between two attempts with a template that is not accepted: prompts wait, they do not fail."""

LAST_TRY = 600.0
"""Seconds before its deadline at which a reply to a recipient who was not reached is tried once more."""

REFUSALS_TO_PAUSE = 3
"""Refusals in a row by unknown codes, from as many people, after which a kind of delivery pauses on its channel."""

FIRST_KIND_PAUSE = 900.0
"""Seconds that the kind pauses; each further pause of a streak is twice as long."""

LONGEST_KIND_PAUSE = 4 * 3600.0
"""Seconds that it pauses at most: a mend in the morning is noticed on the same working day."""

REFUSED_AFTER_OTHERS = 60.0
"""Seconds after the end of a pause at which what was refused is tried again: after what was not tried yet.

Three messages that are bad by themselves would otherwise be the first again, and hold up all others.
"""

LATE_PROBES = 3
"""Deliveries sent after a pause where failures are reported later, until one is reported to have arrived ..."""

PROBE_WAIT = 30.0
"""... and seconds until as many more are sent, between two looks whether one has arrived."""

NEWS_INTERVAL = 900.0
"""Seconds between two times at which notices of news are sent, as the scheduler's periods: who has to wait longer than
that is tried on the next day."""

SHUTDOWN_GRACE = 10.0
"""Seconds that a stop waits for the platform's responses to attempts in flight: they are not sent again then."""

# ---------------------------------------------------------------- results

RESULT_INTERVAL = 0.01
"""Seconds between two writes of results; messages sent in between are sent again if the process dies (`outbound`)."""

RESULT_RETRY = 1.0
"""Seconds between two tries to write results while the database is unavailable."""

RESULT_ATTEMPTS = 30
"""Tries to write a result: they end before its lease does."""
