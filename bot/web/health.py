"""Health checks: `/health/live` for the process, `/health/ready` for its database, channels and queues."""

from aiohttp import web

from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION
from bot.web.requests import work_context
from handlers.administration import channel_status
from storage import permissions
from storage.channels import channel_facts
from storage.database import DatabaseUnavailable
from storage.queue import backlog, updates

MAX_AGE = 300.0  # seconds that a due delivery or an update may wait before the process reports itself unready

routes = web.RouteTableDef()


@routes.get("/health/live")
async def live(_: web.Request) -> web.Response:
    """Respond with 200 as long as the process responds."""
    return web.json_response({"live": True})


@routes.get("/health/ready")
async def ready(request: web.Request) -> web.Response:
    """Respond with 200 while the database accepts writes, no channel is stopped and nothing has waited beyond MAX_AGE.

    That age is of the oldest due delivery on a channel that is on, and of the oldest stored update. Otherwise 503, with
    `reason`: database, channel, outbox or inbox. The other fields are informative: templates that may not be sent,
    waiting recipients, channels without incoming updates, kinds of delivery that pause (`degraded`) and deliveries
    postponed after a failure do not make the process unready, since no restart helps them; neither do deliveries on a
    channel that was turned off.
    """
    now, channels = request.app[CLOCK](), list(request.app[INSTALLATION].channel_capabilities)
    try:
        async with request.app[DATABASE].read() as tx:
            is_read_only = await permissions.is_read_only(tx)
            outbox_age = await backlog.oldest_delivery_age(tx, now, channels)
            stored_updates = await updates.count_waiting(tx)
            inbox_age = await backlog.oldest_update_age(tx, now)
            stopped = sorted(await channel_facts.stopped(tx))
            not_receiving = sorted(await channel_facts.not_receiving(tx))
            delayed = await backlog.count_delayed(tx, now)
            paused = await channel_status.paused_kinds(work_context(request, tx))
            reaches = await channel_status.template_reaches(work_context(request, tx))
    except DatabaseUnavailable:
        return web.json_response({"ready": False, "reason": "database"}, status=503)
    failures = {
        "database": is_read_only,
        "channel": bool(stopped),
        "outbox": outbox_age > MAX_AGE,
        "inbox": inbox_age > MAX_AGE,
    }
    reason = next((name for name, has_failed in failures.items() if has_failed), "")
    report = {
        "ready": not reason,
        "reason": reason,
        "stopped": stopped,
        "not_receiving": not_receiving,
        "degraded": [str(kind) for kind in paused],
        "outbox_age": outbox_age,
        "delayed": sum(delayed.values()),
        "inbox": stored_updates,
        "inbox_age": inbox_age,
        "templates": [str(template) for reach in reaches for template in reach.stopped],
        "deferred_recipients": sum(reach.people.waiting for reach in reaches),
    }
    return web.json_response(report, status=503 if reason else 200)
