"""Faults that a run must survive, tried for real: a line of a table each."""

from experiments.faults_campaign import damaged, hostile, killed, samples, stopped, storage
from experiments.faults_campaign.line import LINES, Line

__all__ = ["LINES", "Line", "damaged", "hostile", "killed", "samples", "stopped", "storage"]
