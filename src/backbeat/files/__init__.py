"""Files: locks, atomic writes, checksums, bounded reading, CSV cells."""
