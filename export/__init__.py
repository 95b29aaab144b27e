"""Refiners for other runtimes. Run from the repository, as `python -m export.all walking`."""
