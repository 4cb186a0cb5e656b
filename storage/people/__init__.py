"""Servants, their institutions and their addresses on the channels."""
