"""Train a detector, or fine-tune one; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("train")
