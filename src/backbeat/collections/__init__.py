"""Collections: a labelled folder or table to tracks; their check; GTZAN and a synthetic one."""
