"""Fit thresholds, unclip ratio and resize to labelled images; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("fit-postprocess")
