"""The command ``check``: config, data and weights, before any training."""
