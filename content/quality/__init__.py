"""Quality checks of the course as a whole: bias, readability, style, citations."""
