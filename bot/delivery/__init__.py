"""Outbox to platform: dispatcher, one sender per channel, rate limits, results."""
