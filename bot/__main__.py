"""`python -m bot` is the command `integra`."""

from bot.cli import main

main()
