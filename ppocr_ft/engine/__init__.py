"""Training, evaluation and prediction with a network. Nothing here knows the config file."""
