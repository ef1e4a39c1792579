"""Finished runs: read, scored, compared and reported."""
