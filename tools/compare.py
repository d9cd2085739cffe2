"""Short runs of different configs beside each other; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("compare")
