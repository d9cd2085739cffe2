"""``report.html``: a run as one page that needs nothing but itself."""

PAGE, CURVES = "report.html", "results.png"
"""The page; its curves as a picture."""
