"""What users' files and reports showed to be wrong, tried again: ``make faults``."""

from experiments.faults import commands, configs, given, label_files, mistakes, training
from experiments.faults.case import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "commands", "configs", "given", "label_files", "mistakes", "training"]
