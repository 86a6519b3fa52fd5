"""Metrics and logs: closed lists of names, and nothing of a record's content."""
