"""Channels: one folder a platform, the contract that each keeps, and the registry that lists them."""
