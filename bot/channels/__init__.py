"""Channels: one folder per platform, the contract that each keeps, and the registry that lists them."""
