"""The page in the browser and the HTTP API: songs to genres for people and programs.

Nothing that a visitor sends is kept or passed to another machine: uploads lie in a folder of the
process until they are classified, and the browser may load from this server only.

- `limits`: how much one visitor may ask for;
- `service`: a song classified within the limits, in turn, or refused with a reason: start here;
- `uploads`: the folder of uploads, and its clearing;
- `guard`: which requests are allowed, and the headers of responses;
- `intake`, `forms`, `connections`: limits of size, time and number for requests;
- `schemas`, `api`, `docs`: the HTTP API: its responses, its operations, its documentation;
- `pictures`, `view`, `page`: a song as pictures; answers as HTML; the page made of both;
- `server`: all of it on a port.
"""

from backbeat.web.limits import Limits
