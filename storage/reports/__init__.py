"""Aggregated counts and the queries of reports."""
