"""The feature store, filling it, importing into it, near duplicates in it."""
