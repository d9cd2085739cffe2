"""The command ``watch``: the page of a run, kept up to date in a browser."""
