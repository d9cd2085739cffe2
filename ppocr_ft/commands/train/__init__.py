"""The command ``train``: a training run."""
