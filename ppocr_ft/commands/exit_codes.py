"""Exit codes beside 0; a signal that stopped a saved run adds its number to SIGNALLED."""

FAILED = 1
WRONG_INPUT = 2
SIGNALLED = 128
INTERRUPTED = 130
