"""The change of the weights: schedules, parameter groups, optimizers."""
