"""backbeat: train, honestly evaluate and use music-genre classifiers.

The steps of the command line, as functions, are in `backbeat.api`.
"""

__version__ = "0.1.0"
