"""Checkpoints: what is loaded, and where it comes from."""
