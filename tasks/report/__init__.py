"""The report: statistics and a page that opens anywhere, made from the store and the sources that are still there."""
