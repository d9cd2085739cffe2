"""Check a config, its data and its weights before any training; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("check")
