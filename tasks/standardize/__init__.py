"""Size, colour, range and contrast."""
