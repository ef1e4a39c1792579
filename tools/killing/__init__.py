"""Parts of `kill_verbs`."""
