"""Forms with files, within limits that neither FastAPI nor Gradio has options for."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException

_FIELDS = 8
_FIELD_BYTES = 65_536
_MAX_PROGRESS = 1_024  # uploads whose progress is kept


class OneFileRoute(APIRoute):
    """An operation whose form holds one file: others would be held in memory."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Give FastAPI's handler, with a request that reads no other form."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            answer: Response = await handler(_OneFileRequest(request.scope, request.receive))
            return answer

        return handle


class _OneFileRequest(Request):
    def form(self, **_: Any) -> Any:
        return super().form(max_files=1, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)


def bound_forms_of_page(files: int) -> None:
    """Make Gradio take forms of at most so many files, and remove those that break off.

    Its own parser takes 1,000 files and keeps each open, and holds fields of any size in memory.
    """
    import gradio.route_utils
    from gradio import routes

    page: Any = gradio.route_utils
    given = page.GradioMultiPartParser
    base = getattr(given, "unbound", given)  # another server in this process did this

    class Form(base):  # type: ignore[misc, valid-type]
        unbound = base

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options | {"max_files": files, "max_fields": _FIELDS})

        def on_headers_finished(self) -> None:
            super().on_headers_finished()
            if (upload := self._current_part.file) is not None:
                # Gradio rewinds each whole file, and never reads it.
                upload.seek = lambda _place: upload.close()

        def on_part_data(self, data: bytes, start: int, end: int) -> None:
            part = self._current_part
            if part.file is not None:
                super().on_part_data(data, start, end)
            elif len(part.data) + end - start > _FIELD_BYTES:
                raise MultiPartException("a field of the form is too large")
            else:
                part.data += data[start:end]

        async def parse(self) -> FormData:
            try:
                form: FormData = await super().parse()
                return form
            except BaseException:
                for file in self._files_to_close_on_error:
                    file.close()
                    Path(file.name).unlink(missing_ok=True)
                raise

    page.GradioMultiPartParser = Form
    # The progress of uploads, by names that visitors choose: Gradio would keep it for ever.
    progress: Any = routes.file_upload_statuses
    progress._statuses, progress._signals = _Recent(), _Recent(asyncio.Event)


class _Recent(defaultdict[str, Any]):
    """A dictionary that drops its oldest entries."""

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > _MAX_PROGRESS:
            del self[next(iter(self))]
