"""The command ``predict``: boxes of images."""
