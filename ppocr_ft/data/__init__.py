"""Label files, the data set, the order of samples; no framework."""
