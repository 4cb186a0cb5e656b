"""Aggregates of past days, and the statistics of reports."""
