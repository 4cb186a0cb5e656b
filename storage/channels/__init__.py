"""Facts that platforms report about channels, and the web chat's transcripts."""
