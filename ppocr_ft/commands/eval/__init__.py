"""The command ``eval``: precision, recall and hmean."""
