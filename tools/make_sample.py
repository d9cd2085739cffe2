"""Copy the sample data set; --help tells how."""

from _run import run

if __name__ == "__main__":
    run("make-sample")
