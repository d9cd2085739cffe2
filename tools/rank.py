"""Which images to label next; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("rank")
