"""How the weights are changed: schedules, parameter groups, optimizers."""
