"""Bundles: one file that holds all that classifying needs, its network as ONNX, the shipped."""
