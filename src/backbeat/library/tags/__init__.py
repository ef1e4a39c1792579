"""Genres in the tags of music files: planned, written, logged, and taken back.

- `plan`: what is written and what is left alone; pure;
- `formats`: the genre in a file's tag, by its format: `id3_files` and `other_files`;
- `frames` and `raw`: tags as they lie in the bytes;
- `rewriting`: a file changed in a copy that takes its place;
- `delta`: the old bytes of a file as a small patch of the new ones; pure;
- `log`: the file that records each change before it is made;
- `writing`: changes made and logged; a log's changes taken back.
"""
