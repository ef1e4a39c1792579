"""Repeating a paper: its models trained, its tables and figures beside its own numbers."""
