"""Lets `python -m bot` run the command `integra`."""

from bot.cli.main import main

main()
