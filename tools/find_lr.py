"""Find a learning rate by trying many; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("find-lr")
