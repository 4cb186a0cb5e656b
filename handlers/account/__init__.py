"""Enrolment, profile, linked channels, leaving."""
