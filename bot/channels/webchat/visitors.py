"""Who posts to the browser chat: the signed cookie that names a chat, and how much chats and networks may do."""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode

from aiohttp import web

from bot.channels.webchat.form import RejectedForm
from bot.web.app_keys import CLOCK
from bot.web.network import network_of
from bot.web.windows import Windows
from handlers import caps

COOKIE = "chat"
HOUR = 3600
_SIGNED = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})")  # 128 bits each: a secret, and its proof


class VisitorCaps:
    """How much a chat, a network and all together may do; `posts` are of a chat, `persons` may share a network."""

    def __init__(self, posts: int = caps.CHAT_POSTS, persons: int = caps.PERSONS) -> None:
        self.posts = Windows(posts, caps.CHAT_SECONDS)
        self.posts_of_network = Windows(persons * posts, caps.CHAT_SECONDS)
        self.chats = Windows(persons * caps.CHATS_AN_HOUR, HOUR)
        self.all_chats = Windows(caps.ALL_CHATS_AN_HOUR, HOUR)
        self.enrolments = Windows(persons * caps.ENROLMENTS_AN_HOUR, HOUR)
        self.all_enrolments = Windows(caps.ALL_ENROLMENTS_AN_HOUR, HOUR)


CAPS = web.AppKey("webchat_caps", VisitorCaps)
COOKIE_KEY = web.AppKey("webchat_cookie_key", bytes)

# ---------------------------------------------------------------- the cookie


def new_cookie(key: bytes) -> str:
    """A cookie for a new chat. It is signed: a chat costs a page that we have sent, and cannot be invented."""
    secret = secrets.token_urlsafe(16)
    return f"{secret}.{_proof(key, secret)}"


def secret_of(request: web.Request) -> str:
    """The secret in the visitor's cookie; empty where there is none that we have signed."""
    parts = _SIGNED.fullmatch(request.cookies.get(COOKIE, ""))
    if parts is None or not hmac.compare_digest(parts[2], _proof(request.app[COOKIE_KEY], parts[1])):
        return ""
    return parts[1]


def chat_address(secret: str) -> str:
    """The chat's address, derived from the cookie's secret, which itself is never stored."""
    return "w" + hashlib.sha256(b"webchat|" + secret.encode()).hexdigest()[:32]


def _proof(key: bytes, secret: str) -> str:
    return urlsafe_b64encode(hmac.digest(key, secret.encode(), "sha256")[:16]).decode().rstrip("=")


# ---------------------------------------------------------------- how much


def take_post(request: web.Request, address: str) -> None:
    """Count a post of a chat, and of its network. Raises RejectedForm."""
    counted = request.app[CAPS]
    _take(request, "webchat.sorry_fast", counted.posts, address, counted.posts_of_network, network_of(request))


def take_chat(request: web.Request) -> None:
    """Count a chat that begins. Raises RejectedForm."""
    counted = request.app[CAPS]
    _take(request, "webchat.sorry_chats", counted.chats, network_of(request), counted.all_chats)


def take_enrolment(request: web.Request) -> None:
    """Count an enrolment. Raises RejectedForm."""
    counted = request.app[CAPS]
    _take(request, "webchat.sorry_enrolments", counted.enrolments, network_of(request), counted.all_enrolments)


def _take(request: web.Request, phrase: str, own: Windows, name: str, wider: Windows, wider_name: str = "") -> None:
    """Count one in both windows, or in none of them where the wider one is full."""
    now = request.app[CLOCK]()
    at = wider.full_until(wider_name, now) or own.try_take(name, now) or wider.try_take(wider_name, now)
    if at:
        raise RejectedForm(429, phrase, at)
