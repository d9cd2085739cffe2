"""Show the page of a run while it goes on; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("watch")
