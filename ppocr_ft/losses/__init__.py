"""Loss functions: from probability maps and targets to the number that training lowers."""
