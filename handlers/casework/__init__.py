"""Confidential letters, officers' cases and notices of news to askers."""
