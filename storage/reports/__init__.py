"""Answers counted once into blocks, and the figures that are read from them."""
