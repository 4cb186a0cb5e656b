"""A Bot API client that is not ours, in one place: importing it takes five seconds, so only who needs it does."""

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import BotCommand, CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

__all__ = [
    "AiohttpSession",
    "Bot",
    "BotCommand",
    "CallbackQuery",
    "InlineKeyboardButton",
    "InlineKeyboardMarkup",
    "Message",
    "TelegramAPIServer",
    "TelegramBadRequest",
    "TelegramConflictError",
    "TelegramForbiddenError",
    "TelegramNetworkError",
    "TelegramRetryAfter",
    "TelegramServerError",
    "TelegramUnauthorizedError",
]
