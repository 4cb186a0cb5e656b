"""The command line `integra`: one module per command; main.py assembles them."""
