"""Confidential letters, officers' cases and news to askers."""
