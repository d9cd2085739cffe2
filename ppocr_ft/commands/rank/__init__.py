"""The command ``rank``: which images to label next."""
