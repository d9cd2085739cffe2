"""A training run: its folder, its parts and its evaluation."""
