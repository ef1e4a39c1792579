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
from backbeat.web.docs import docs_page
from backbeat.web.forms import OneFileRoute
from backbeat.web.intake import RETRY
from backbeat.web.schemas import ClassifyResponse, ErrorResponse, Health, Version
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
    status.value: {"model": ErrorResponse, "description": why} for status, why in _WHY.items()
}


def make_api(service: Service, uploads: Uploads) -> FastAPI:
    """Make the application of the HTTP API."""
    app = FastAPI(
        title="backbeat",
        version=__version__,
        summary="Music genres of songs, with calibrated probabilities.",
        docs_url=None,  # FastAPI's own page loads its scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
    )

    app.router.route_class = OneFileRoute

    # Not `async`: each request waits in its own thread while others are served.
    @app.post("/api/classify", responses=_REFUSALS, summary="Classify a song.")
    def classify(
        file: Annotated[UploadFile, File(description="An audio file of any format.")],
        tags: Annotated[bool, Query(description="MusiCNN's tags too; takes longer.")] = False,
    ) -> ClassifyResponse:
        """Classify one file; it is removed as soon as it is classified."""
        name = file.filename or ""
        if file.size is not None and file.size > service.limits.bytes:
            raise too_large(shown_name(name), service.limits)
        with uploads.kept(file.file) as path:
            return ClassifyResponse.of(service.answer(path, name, tags=tags))

    @app.get("/api/health", summary="Check that the server runs, and how busy it is.")
    async def health() -> Health:
        """Respond at once, even while songs are waiting."""
        return Health(answering=service.answering, waiting=service.waiting)

    @app.get("/api/version", summary="Get the versions of backbeat and the model.")
    async def version() -> Version:
        """Get the model's name, hash and genres, and the limits."""
        return Version.of(service)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    @app.exception_handler(RefusedError)
    async def refused(_request: Request, error: RefusedError) -> JSONResponse:
        busy = error.status is HTTPStatus.SERVICE_UNAVAILABLE
        return _error(str(error), error.status, RETRY if busy else None)

    explain_invalid(app)

    @app.exception_handler(HTTPException)
    async def other(_request: Request, error: HTTPException) -> JSONResponse:
        return _error(error.detail, error.status_code, error.headers)

    return app


def explain_invalid(app: FastAPI) -> None:
    """Make an application answer invalid requests in one line.

    FastAPI's own answer repeats all that was sent, and fails if that is not text.
    """

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = first["loc"][-1]
        return _error(f"{place}: {first['msg']}", HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(FormParserError)
    async def no_form(_request: Request, error: FormParserError) -> JSONResponse:
        return _error(one_line(error), HTTPStatus.BAD_REQUEST)


def _error(message: str, status: int, headers: Any = None) -> JSONResponse:
    return JSONResponse(ErrorResponse(error=message).model_dump(), status, headers)
