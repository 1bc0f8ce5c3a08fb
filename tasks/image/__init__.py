"""What an image is here: pixels, targets, geometry in edge coordinates, keyed randomness."""
