"""Simulated people who learn and forget, to measure which policy of asking teaches most."""
