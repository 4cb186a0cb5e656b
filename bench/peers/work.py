"""What every peer is given to do: the words and buttons of a prompt, and the same tables as ours."""

import argparse
import asyncio
from functools import cache

from aiohttp import web

from bench import seed
from bot.channels.telegram.channel import markup
from handlers import outgoing
from handlers.learning import answer
from handlers.message import Action, Message
from handlers.outgoing import Recipient
from storage.learning.record import Prompt

Buttons = tuple[tuple[tuple[str, str], ...], ...]
"""Rows of label and data."""


def chats(count: int) -> list[int]:
    return [seed.CHAT + person for person in range(1, count + 1)]


@cache
def question(person: int = 1) -> tuple[str, Buttons]:
    """The prompt as HTML, with its buttons."""
    return _shown(seed.question(person))


def reason(person: int, letter: str) -> tuple[str, Buttons]:
    """Why the chosen option is right or not."""
    chosen = seed.scenario()
    prompt = Prompt(person, person, None, chosen.id, chosen.competency, "new")  # type: ignore[arg-type]
    return _shown(answer.feedback_message(seed.library(), prompt, chosen, letter))


def kept(letter: str) -> str:
    """The prompt as it stands in the chat once it was answered."""
    return _shown(answer._answered_message(seed.library(), seed.scenario(), letter))[0]


def _shown(message: Message) -> tuple[str, Buttons]:
    parcel = outgoing.render(seed.library(), Recipient("telegram", "1", "es"), message, Action.SEND)
    return markup(parcel.text), tuple(tuple((key.label, key.choice) for key in row) for row in parcel.rows)


def asked(*names: str) -> argparse.Namespace:
    """The options that a peer is started with."""
    parser = argparse.ArgumentParser()
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


async def serve(site: web.Application) -> None:
    """On any free port, which is printed; until the process is ended."""
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
