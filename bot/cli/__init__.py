"""The command line `integra`."""
