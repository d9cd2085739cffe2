"""Label files, data sets and the sample data set. No paddle."""
