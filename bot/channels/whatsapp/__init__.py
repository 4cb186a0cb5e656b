"""The WhatsApp channel: Cloud API client, messages, webhook and parser."""
