"""Discover, units, make, decide, seal: the way of the data, without a scheduler."""
