"""Post-processing fitted to labelled images: a search over its values, judged on held-out images.

The network runs once for each resize; its maps wait on the disk (``maps``). What an image's boxes
and matches are with each combination of values is counted (``count``), summed over blocks of
images (``tally``), and the choice made on some of them is judged on the others (``held_out``).
"""
