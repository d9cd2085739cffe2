"""The largest input that is read. All are far above what real data sets hold.

They keep memory and time in bounds where a file claims more than it has, or was made to do harm.
docs/check_data.md lists them.
"""

MOST_PIXELS = 2**28
"""Of an image: 16,384 x 16,384."""
MOST_IMAGE_BYTES = 2**31
MOST_LABEL_FILE_BYTES = 2**30
MOST_LINE_BYTES = 2**23
"""Of a label line."""
MOST_TEXTS = 20_000
"""On an image."""
MOST_POINTS = 1_000
"""Of a text's polygon."""
