"""Measurements of speed, printed as they are in docs/."""
