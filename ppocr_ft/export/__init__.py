"""Inference models: written, compared with the trained network, and opened again."""
