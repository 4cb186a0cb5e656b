"""Self-assessment, FAQ and the way to a confidential query."""
