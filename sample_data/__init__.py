"""Draws the sample data set: instrument panels, packages and name plates, from a seed.

The package ships the pictures (``ppocr_ft/data/sample``) and doesn't need this program. They were
made, in the root of the repository, by

    python -m sample_data --out ppocr_ft/data/sample --force

with opencv-python 5.0.0, Pillow 13.0.0 and matplotlib 3.11.2, whose DejaVu fonts are
used; other versions may give other bytes. ``store`` writes the files; ``scene`` lays out devices
and marks of one of the ``themes``; ``photo`` looks at the scene through a camera.
"""
