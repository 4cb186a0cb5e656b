"""Spaced repetition: memory model and selection of the scenario to ask."""
