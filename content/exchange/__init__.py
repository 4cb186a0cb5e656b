"""Scenarios to and from files of authors: CSV, XLSX, TOML, JSON, GIFT."""
