"""Talks to the platforms and to browsers: channels, HTTP, the clock, the console; wires everything."""
