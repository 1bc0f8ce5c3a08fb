"""Bytes to pixels: what an image file says, and the right pixels or a verdict."""
