"""Modules of the evaluation: protocols, other methods, scores and pages of results."""
