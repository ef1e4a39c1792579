"""The page in the browser and the HTTP API: songs to genres for people and programs.

Nothing of a visitor's is kept and nothing is asked of any other machine: uploads lie in a folder
of the process's own until they are answered, and the browser is told to load from here alone.

- `limits`: how much one visitor may ask for;
- `service`: a song answered within the limits, in turn, or refused with a reason: begin there;
- `uploads`: the folder of what visitors sent, and its clearing;
- `guard`: who may ask, for what, and the headers of answers;
- `intake`, `forms`, `connections`: what visitors send, within limits of size, time and number;
- `answered`, `api`, `docs`: the HTTP API: its words, its ways, its page;
- `pictures`, `view`, `page`: a song as pictures; answers as HTML; the page made of both;
- `server`: all of it on a port.
"""

from backbeat.web.limits import Limits

__all__ = ["Limits"]
