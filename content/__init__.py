"""The course and every text that a person reads: read from files, checked, never written while running."""
