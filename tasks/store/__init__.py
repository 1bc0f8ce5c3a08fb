"""Schema, shards, receipts, versions: what lies on disk, and how it becomes the dataset."""
