"""What to ask and when: memory model and scenario selection."""
