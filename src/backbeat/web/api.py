"""The HTTP API: a song in, its answer out as JSON."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from python_multipart.exceptions import FormParserError
from starlette.exceptions import HTTPException

from backbeat import __version__
from backbeat.errors import one_line
from backbeat.web.answered import Answered, Health, Refused, Version
from backbeat.web.docs import docs_page
from backbeat.web.forms import OneFileRoute
from backbeat.web.intake import RETRY
from backbeat.web.service import RefusedError, Service, shown_name, too_large
from backbeat.web.uploads import Uploads

_WHY = {
    HTTPStatus.REQUEST_TIMEOUT: "The file came too slowly.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The file has too many bytes, or the song is too long.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The file is not audio.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "No file was sent, or it is damaged, too short or silent.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many songs are waiting; Retry-After says when to try.",
    HTTPStatus.GATEWAY_TIMEOUT: "The answer takes too long.",
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status.value: {"model": Refused, "description": why} for status, why in _WHY.items()
}


def make_api(service: Service, uploads: Uploads) -> FastAPI:
    """Make the application that answers programs.

    Parameters
    ----------
    service : Service
    uploads : Uploads
        Where files may lie while they are answered.
    """
    app = FastAPI(
        title="backbeat",
        version=__version__,
        summary="Music genres, told with how sure the model is.",
        docs_url=None,  # FastAPI's own page loads its scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
    )

    app.router.route_class = OneFileRoute

    # Not `async`: each waits in a thread of its own while others are served.
    @app.post("/api/classify", responses=_REFUSALS, summary="Tell the genre of a song.")
    def classify(
        file: Annotated[UploadFile, File(description="An audio file of any format.")],
        tags: Annotated[bool, Query(description="MusiCNN's tags too; takes longer.")] = False,
    ) -> Answered:
        """Answer one file; it is removed as soon as it is answered."""
        name = file.filename or ""
        if file.size is not None and file.size > service.limits.bytes:
            raise too_large(shown_name(name), service.limits)
        with uploads.kept(file.file) as path:
            return Answered.of(service.answer(path, name, tags=tags))

    @app.get("/api/health", summary="Tell that the server lives, and how busy it is.")
    async def health() -> Health:
        """Answer at once, even while songs are waiting."""
        return Health(answering=service.answering, waiting=service.waiting)

    @app.get("/api/version", summary="Tell which backbeat and which model answer.")
    async def version() -> Version:
        """Give the model's name, hash and genres, and the limits."""
        return Version.of(service)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> JSONResponse:
        busy = error.status is HTTPStatus.SERVICE_UNAVAILABLE
        return _said(str(error), error.status, RETRY if busy else None)

    tell_invalid(app)

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: HTTPException) -> JSONResponse:
        return _said(error.detail, error.status_code, error.headers)

    return app


def tell_invalid(app: FastAPI) -> None:
    """Have an application answer what it cannot read in a line.

    FastAPI's own answer repeats all that was sent, and fails of what is no text.
    """

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = first["loc"][-1]
        return _said(f"{place}: {first['msg']}", HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(FormParserError)
    async def no_form(_request: Request, error: FormParserError) -> JSONResponse:
        return _said(one_line(error), HTTPStatus.BAD_REQUEST)


def _said(what: str, status: int, headers: Any = None) -> JSONResponse:
    return JSONResponse(Refused(error=what).model_dump(), status, headers)
