"""Edges, corners, textures, colour and shape: pixels to vectors."""
