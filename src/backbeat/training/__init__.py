"""Training: a spec, features and a split to a run; recipes, checkpoints, folds."""
