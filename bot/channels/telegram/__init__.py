"""The Telegram channel: Bot API client, parser, polling and webhook receivers, webhook monitor."""
