"""News of confidential queries: whom to notify, and with which words.

The notice has a constant text that names no case. It is sent only at fixed times of day, so that the chat shows neither
case nor minute, and it never lies in the outbox, where its row would tell who asked (bot/delivery/news_sender.py).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from content.library import Library
from handlers import outgoing
from handlers.context import Installation, WorkContext
from handlers.learning import template_messages
from handlers.message import Action, Button, Message, Parcel, TemplateMessage
from handlers.outgoing import Recipient
from storage.confidential import routes
from storage.confidential.addresses import open_address
from storage.confidential.protocol.errors import Altered
from storage.confidential.routes import PendingNews, Route


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice to send, and the news that it announces."""

    recipient: Recipient
    news: tuple[PendingNews, ...]


@dataclass(frozen=True, slots=True)
class PendingNotices:
    """`notices`: one for each address, in random order. `lost`: news whose addresses cannot be decrypted."""

    notices: Sequence[Notice]
    lost: Sequence[PendingNews]


async def pending(work: WorkContext) -> PendingNotices:
    """Whom to notify now. Nothing is changed: the sender of a notice records it."""
    by_address: dict[tuple[str, str], Notice] = {}
    lost = []
    for news in await routes.pending_news(work.tx, except_failed_on=work.today):
        if (recipient := _opened(work.installation, news.route)) is None:
            lost.append(news)
            continue
        key = recipient.channel, recipient.address
        others = by_address[key].news if key in by_address else ()
        by_address[key] = Notice(recipient, (*others, news))
    notices = list(by_address.values())
    secrets.SystemRandom().shuffle(notices)
    return PendingNotices(notices, lost)


async def waiting_for(work: WorkContext, channel: str, address: str) -> list[PendingNews]:
    """The news of one address, for a channel that shows them on a page of its own."""
    found = []
    for news in await routes.pending_news(work.tx):
        recipient = _opened(work.installation, news.route)
        if recipient is not None and (recipient.channel, recipient.address) == (channel, address):
            found.append(news)
    return found


def _opened(installation: Installation, route: Route) -> Recipient | None:
    """The address of a route; None: the route key was changed or the row was altered."""
    try:
        opened = open_address(installation.route_key, route.sealed_address, route.row)
        return Recipient(opened["channel"], opened["address"], opened["language"])
    except (Altered, KeyError):
        return None


def rendered(library: Library, installation: Installation, recipient: Recipient) -> Parcel:
    """The notice as its channel is asked to deliver it: it stores nothing about the recipient."""
    template = TemplateMessage(template_messages.NEWS_TEMPLATE, {}, ("consult:read",))
    message = replace(news_message(installation, recipient.language), template_message=template)
    capabilities = installation.capabilities(recipient.channel)
    parcel = outgoing.render(library, recipient, message, Action.SEND, capabilities=capabilities)
    return replace(parcel, leaves_no_row=True)


def news_message(installation: Installation, language: str) -> Message:
    """There is something to read, with the link to the letterbox."""
    open_letterbox = Button("button.consult_read", url=f"{installation.public_url}/c#l={language}")
    return Message("consult.news", {}, ((open_letterbox,),))
