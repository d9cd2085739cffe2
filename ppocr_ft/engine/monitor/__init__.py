"""Named verdicts on a run that goes wrong: pure rules over what it has recorded."""
