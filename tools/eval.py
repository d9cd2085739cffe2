"""Evaluate a detector on labelled images; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("eval")
