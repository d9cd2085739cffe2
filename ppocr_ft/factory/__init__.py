"""The only place that makes objects of a config."""
