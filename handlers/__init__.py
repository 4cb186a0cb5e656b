"""Handlers of updates and of scheduled work: business rules, independent of any platform."""
