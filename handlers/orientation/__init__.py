"""Self-assessment, FAQ and the link to a confidential query."""
