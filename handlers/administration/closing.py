"""Close the week: count what waits into blocks (storage/reports/blocks.py)."""

from handlers.context import WorkContext
from storage.reports import blocks
from storage.reports.blocks import ClosingRules


def closing_rules(work: WorkContext) -> ClosingRules:
    """What the installation decides about blocks."""
    installation = work.installation
    return ClosingRules(installation.min_group, installation.draw_key, installation.trial_channels)


async def is_due(work: WorkContext) -> bool:
    """Whether a week is over since the last closing."""
    return await blocks.is_due(work.tx, work.today)


async def close_week(work: WorkContext) -> int | None:
    """Close the week, if it is over and no other process has; the number of the closing."""
    return await blocks.close(work.tx, work.today, closing_rules(work))
