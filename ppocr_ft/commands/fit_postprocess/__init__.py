"""The command ``fit_postprocess``: thresholds, unclip ratio and resize."""
