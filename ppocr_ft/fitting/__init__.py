"""Values that are chosen by labelled images: post-processing, scale, targets, length."""
