"""Fuzzing of everything in backbeat that reads bytes from outside; `tools/fuzz.py` runs it.

- `mutations`: valid bytes to damaged ones, by a seeded random generator;
- `sounds`, `files`: valid audio of each format, valid files of each other kind, and how backbeat
  reads them;
- `targets`: the table of all of these;
- `cases`: one case tried, and what became of it, with its time and memory;
- `running`: cases in processes of their own, which may hang or die.
"""
