"""Reports, channel status, imports and the demonstration data."""
