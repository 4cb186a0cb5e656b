"""The WhatsApp channel: Cloud API client, messages, webhook, parser and template commands."""
