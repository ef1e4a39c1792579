"""backbeat: train, honestly evaluate and use music-genre classifiers.

The steps of the command line, as functions, are in `backbeat.api`.
"""

import os

# From 1.29 on onnxruntime reports its use to its makers and keeps a number for this machine,
# unless a setting says otherwise before it is loaded. What backbeat does stays on the machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
