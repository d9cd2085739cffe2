"""Convert label files of other tools, and back; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("convert")
