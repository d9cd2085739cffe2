"""Experiments whose tables and pictures are in docs/, and checks of refactoring."""
