"""Fit refiners and score them. Run from the repository, as `python -m training.fit`."""
