"""Running a network: evaluation and prediction. Nothing here knows the config file."""
