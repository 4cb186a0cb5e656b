"""Dummy, a channel as it would stand in `bot/channels/dummy/`: the example that docs/contributing.md goes by."""
