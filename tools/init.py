"""Copy the configs into a folder; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("init")
