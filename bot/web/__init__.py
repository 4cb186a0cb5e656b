"""The HTTP application and the public pages: landing, privacy notice, letterbox, health and metrics."""
