"""The measure: fine-tunes on real sets, judged on images that nothing was chosen on."""
