"""Faults that a run must survive, tried for real: a line of a table each."""

from experiments.faults_campaign import (
    damaged,
    hostile,
    killed,
    processes,
    samples,
    stopped,
    storage,
    versions,
)
from experiments.faults_campaign.line import LINES, Line

__all__ = [
    "LINES",
    "Line",
    "damaged",
    "hostile",
    "killed",
    "processes",
    "samples",
    "stopped",
    "storage",
    "versions",
]
