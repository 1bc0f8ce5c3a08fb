"""Decisions over all rows: deduplicate, split, balance."""
