"""The command ``make_sample``: a copy of the sample data set."""
