"""The command ``compare``: short runs from one start, side by side."""
