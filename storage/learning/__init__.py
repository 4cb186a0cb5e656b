"""The learning record: prompts, answers, memories."""
