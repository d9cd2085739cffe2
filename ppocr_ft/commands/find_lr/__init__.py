"""The command ``find_lr``: a learning rate range test."""
