"""`python -m bot` is the command `integra`."""

from bot.cli.main import main

main()
