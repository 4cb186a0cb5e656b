"""The workload of every peer: the texts and buttons of our messages, and our tables."""

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
"""Rows of buttons, each as its label and callback data."""


def chats(count: int) -> list[int]:
    """The chats of the first `count` servants."""
    return [seed.CHAT + number for number in range(1, count + 1)]


@cache
def prompt(number: int = 1) -> tuple[str, Buttons]:
    """The prompt as HTML, with its buttons."""
    return _rendered(seed.prompt_message(number))


def feedback(number: int, letter: str) -> tuple[str, Buttons]:
    """The feedback on the chosen option as HTML, with its buttons."""
    chosen = seed.scenario()
    prompt = Prompt(number, number, None, chosen.id, chosen.competency, "new")  # type: ignore[arg-type]
    return _rendered(answer.feedback_message(seed.library(), prompt, chosen, letter))


def answered_prompt(letter: str) -> str:
    """The prompt as HTML, as it is edited once answered."""
    return _rendered(answer._answered_message(seed.library(), seed.scenario(), letter))[0]


def _rendered(message: Message) -> tuple[str, Buttons]:
    parcel = outgoing.render(seed.library(), Recipient("telegram", "1", "es"), message, Action.SEND)
    return markup(parcel.text), tuple(tuple((key.label, key.choice) for key in row) for row in parcel.rows)


def parse_options(*names: str) -> argparse.Namespace:
    """The required command line options of a peer."""
    parser = argparse.ArgumentParser()
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


async def serve(site: web.Application) -> None:
    """Serve on a free port, which is printed, until the process is stopped."""
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
