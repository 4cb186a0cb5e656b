"""The numbers of `/metrics`: read from the database for each request, so that any process can answer."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from handlers.administration import channel_status
from handlers.administration.channel_status import PausedKind, TemplateReach
from handlers.context import WorkContext
from storage.channels import channel_facts
from storage.people import refusals
from storage.queue import backlog, rate_limits, updates
from storage.queue.rate_limits import RateLimitStatus

RECENT = timedelta(minutes=10)  # how far back finished deliveries are counted

Sample = tuple[Sequence[str], float]
"""The values of a metric's labels, in their order, and its own value."""


@dataclass(frozen=True, slots=True)
class Readings(Collector):
    """What one transaction read; `collect` gives it as metric families, as Prometheus' library expects."""

    deliveries: Mapping[tuple[str, str], int]  # by channel and state
    delayed: Mapping[str, int]  # by channel
    outbox_age: float  # seconds
    stored_updates: int
    inbox_age: float  # seconds
    expired_leases: int
    stopped: Sequence[str]  # channels
    not_receiving: Sequence[str]  # channels
    paused: Sequence[PausedKind]
    retrying: Mapping[str, int]  # people, by channel
    limits: Sequence[RateLimitStatus]
    reaches: Sequence[TemplateReach]

    def collect(self) -> Iterator[Metric]:
        yield from self._queues()
        yield from self._channels()
        yield from _rate_limits(self.limits)
        yield from _recipients(self.reaches)

    def _queues(self) -> Iterator[Metric]:
        """What waits, and for how long."""
        yield _gauge(
            "deliveries",
            "Deliveries: open ones, and those finished in the last ten minutes; sent replies until they are deleted.",
            sorted(self.deliveries.items()),
            ("channel", "state"),
        )
        yield _gauge(
            "outbox_delayed",
            "Deliveries that wait for a retry or for a later hour.",
            [((name,), number) for name, number in sorted(self.delayed.items())],
            ("channel",),
        )
        yield _single("outbox_age_seconds", "How long the oldest due delivery has been waiting.", self.outbox_age)
        yield _single("inbox_waiting", "Updates that are stored and not handled yet.", self.stored_updates)
        yield _single("inbox_age_seconds", "How long the oldest update has been waiting.", self.inbox_age)
        yield _single(
            "leases_expired", "Deliveries whose worker died or is too slow: claimed again.", self.expired_leases
        )

    def _channels(self) -> Iterator[Metric]:
        """Channels that do not work; a channel that works has no sample."""
        stopped, silent = ([((name,), 1.0) for name in names] for names in (self.stopped, self.not_receiving))
        yield _gauge(
            "channel_stopped",
            "Channels stopped until an administrator acts: credential or account refused.",
            stopped,
            ("channel",),
        )
        yield _gauge("channel_not_receiving", "Channels that receive no updates.", silent, ("channel",))
        yield _gauge(
            "kind_paused",
            "Kinds of delivery refused by an unknown error code: they pause and are tried again.",
            [((kind.channel, kind.kind), 1.0) for kind in self.paused],
            ("channel", "kind"),
        )
        yield _gauge(
            "recipients_retrying",
            "Recipients whom the platform did not reach; they are tried again on a later day.",
            [((name,), number) for name, number in sorted(self.retrying.items())],
            ("channel",),
        )


async def read(work: WorkContext) -> Readings:
    """Read all numbers."""
    tx, now = work.tx, work.now
    return Readings(
        deliveries=await backlog.counts(tx, now - RECENT),
        delayed=await backlog.count_delayed(tx, now),
        outbox_age=await backlog.oldest_delivery_age(tx, now),
        stored_updates=await updates.count_waiting(tx),
        inbox_age=await backlog.oldest_update_age(tx, now),
        expired_leases=await backlog.count_expired_leases(tx, now),
        stopped=sorted(await channel_facts.stopped(tx)),
        not_receiving=sorted(await channel_facts.not_receiving(tx)),
        paused=await channel_status.paused_kinds(work),
        retrying=await refusals.count_waiting(tx, now.date()),
        limits=await rate_limits.statuses(tx, now),
        reaches=await channel_status.template_reaches(work),
    )


def _rate_limits(limits: Sequence[RateLimitStatus]) -> Iterator[Metric]:
    """How fast each credential may send."""

    def samples(value: Callable[[RateLimitStatus], float]) -> list[Sample]:
        return [((limit.channel,), value(limit)) for limit in limits]

    labels = ("channel",)
    held, factors, refusals = (
        samples(lambda limit: limit.held),
        samples(lambda limit: limit.factor),
        samples(lambda limit: limit.refusals),
    )
    yield _gauge(
        "rate_limit_held_seconds", "Seconds until sending may resume after a rate-limit refusal.", held, labels
    )
    yield _gauge("rate_limit_backoff_factor", "Back-off factor: how many times slower than allowed.", factors, labels)
    refused = CounterMetricFamily("integra_refusals", "Messages that the platform refused as too fast.", labels=labels)
    yield _filled(refused, refusals)


def _recipients(reaches: Sequence[TemplateReach]) -> Iterator[Metric]:
    """Channels where recipients outside the reply window can be reached by templates only."""

    def samples(value: Callable[[TemplateReach], float]) -> list[Sample]:
        return [((reach.channel,), value(reach)) for reach in reaches]

    labels = ("channel",)
    waiting, used = samples(lambda reach: reach.people.waiting), samples(lambda reach: reach.people.used)
    limits = samples(lambda reach: math.inf if reach.people.limit is None else reach.people.limit)
    stopped = [((reach.channel, template.name, template.code), 1.0) for reach in reaches for template in reach.stopped]
    yield _gauge("recipients_deferred", "Recipients whose prompt waits; they are planned first.", waiting, labels)
    yield _gauge(
        "recipients_limit", "Recipients outside the reply window allowed in 24 hours; +Inf: no limit.", limits, labels
    )
    yield _gauge("recipients_used", "Recipients outside the reply window written to in 24 hours.", used, labels)
    yield _gauge("template_stopped", "Templates of ours that may not be sent.", stopped, (*labels, "name", "code"))


def _single(name: str, help: str, value: float) -> Metric:
    """A gauge without labels."""
    return GaugeMetricFamily(f"integra_{name}", help, value=value)


def _gauge(name: str, help: str, samples: Iterable[Sample], labels: Sequence[str]) -> Metric:
    """A value that goes up and down, by labels."""
    return _filled(GaugeMetricFamily(f"integra_{name}", help, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
