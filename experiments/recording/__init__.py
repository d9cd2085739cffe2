"""What `same_as_before.py` runs and what it keeps of it; nothing here imports the package."""
