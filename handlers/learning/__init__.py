"""The daily prompt, its answer and a servant's progress."""
