"""Helpers that any room may import."""
