"""The check of a config."""
