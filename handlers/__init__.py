"""What happens when an update arrives or something is due; knows no platform.

Start with `context.py` (what a handler receives and returns), then `router.py` (which handler gets which update) and
`outgoing.py` (how messages reach the outbox).
"""
