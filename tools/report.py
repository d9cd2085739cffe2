"""Make the page of a run; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("report")
