"""The report: statistics and a page that opens anywhere, made from the store alone."""

from tasks.report.page import write_report

__all__ = ["write_report"]
