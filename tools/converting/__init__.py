"""MusiCNN from its authors' checkpoints to Keras, without the filters that always give the same."""
