"""The command ``report``: the page of a run."""
