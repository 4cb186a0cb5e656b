"""The records of the course: topics, scenarios, law, self-assessment, FAQ, templates."""
