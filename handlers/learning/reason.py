"""Explain in one sentence why a servant was asked this very question: "¿por qué esta?"."""

from content.learning.course_index import SEASONS
from content.learning.selection import Reason
from content.text import LANGUAGES, Text
from handlers.context import Context, Response
from handlers.learning import daily
from handlers.message import Button, Message, Value
from storage.learning import record
from storage.learning.record import Prompt


def button(prompt: Prompt) -> Button:
    """The button below an explanation that asks for the reason."""
    return Button("button.reason", f"reason:{prompt.id}", is_optional=True)


async def handle(context: Context) -> Response:
    """A button `reason:<prompt>`."""
    prompt = await daily.own_prompt(context)
    if prompt is None:
        return Response((Message("help.old_button"),))
    return Response((await _explanation(context, prompt),))


async def command(context: Context) -> Response:
    """`/porque`: the reason of today's question; without one, the question itself."""
    prompt = None
    if context.servant is not None:
        prompt = await record.prompt_of_day(context.tx, context.servant.id, context.today)
    if prompt is None:
        return await daily.today(context)
    return Response((await _explanation(context, prompt),))


async def _explanation(context: Context, prompt: Prompt) -> Message:
    last = await record.last_answered_before(context.tx, prompt)
    if last is None:
        key = Reason.UNANSWERED if prompt.reason == Reason.UNANSWERED else Reason.NEW
        return Message(f"reason.{key}")
    values: dict[str, Value] = {"since": _since(context, (prompt.day - last.day).days)}
    if prompt.reason == Reason.SEASON:
        return Message("reason.season", {"season": _season(context, prompt)})
    if prompt.reason in (Reason.CONFIDENT_ERROR, Reason.MISTAKE, Reason.UNANSWERED):
        return Message(f"reason.{prompt.reason}", values)
    return Message("reason.review", values)  # and whatever an older version noted


def _since(context: Context, days: int) -> Text:
    """For example "hace 12 días"."""
    key = "reason.yesterday" if days == 1 else "reason.days_ago"
    return Text(**{language: context.library.phrases.plain(language, key, {"days": days}) for language in LANGUAGES})


def _season(context: Context, prompt: Prompt) -> Text:
    """The names of the seasons of a rule in which the risk is high on that day."""
    competency = context.library.competencies.get(prompt.competency_id)
    in_months = competency.seasons if competency else ()
    seasons = [season for season in in_months if prompt.day.month in SEASONS[season]]
    names = {
        language: ", ".join(context.library.phrases.plain(language, f"season.{season}", {}) for season in seasons)
        or context.library.phrases.plain(language, "season.other", {})
        for language in LANGUAGES
    }
    return Text(**names)
