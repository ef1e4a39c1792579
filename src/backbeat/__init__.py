"""backbeat: train, honestly evaluate and use music-genre classifiers."""

__version__ = "0.1.0"
