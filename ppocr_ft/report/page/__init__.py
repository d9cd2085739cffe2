"""``report.html``: a run as one page that works without other files."""

PAGE, CURVES = "report.html", "results.png"
"""The page; its curves as a picture."""
