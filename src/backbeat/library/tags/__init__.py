"""Genres in the tags of music files: planned, written, logged, and taken back.

- `genres`, `plan`: how genres are spelt in tags; what is written and what is left alone; pure;
- `formats`: the genre in a file's tag, with mutagen;
- `rewriting`: a file changed in a copy that takes its place;
- `delta`: the way back to a file's old bytes, in few; pure;
- `log`: the file that tells of each change before it is made;
- `applying`, `undoing`: changes made and logged; a log's changes taken back.
"""
