"""The HTTP server and the public pages: landing, letterbox, health and metrics."""
