"""Base of the REST API: authentication, rights, problem documents, paging, OpenAPI."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

from console.access.api_tokens import RIGHTS, has_right, unauthenticated_response
from console.access.reauthentication import is_recently_authenticated
from console.pages.errors import problem
from console.pages.responses import missing_right
from console.rest import errors
from faults import Fault, Forbidden, Invalid, NotFound

T = TypeVar("T")
M = TypeVar("M", bound=Model)
PROBLEM = "application/problem+json"
# Maximum sizes of a request body and of an upload; each kind of upload has its own limit.
MAX_BODY = 1 << 20
MAX_UPLOAD = 11 << 20
YEARS = range(1970, 9000)
MAX_DIGITS = 18


class Bearer(HttpBearer):
    """Authentication with an API token, which the middleware has already verified."""

    def __init__(self, right: str = "") -> None:
        super().__init__()
        self.right = right

    def __call__(self, request: Any) -> Any:
        """Return the token, None without a token; raise Forbidden if it does not have the right."""
        token = getattr(request, "token", None)
        return None if token is None else self.authenticate(request, token)

    def authenticate(self, request: Any, token: Any) -> Any:
        """Return the token if it has the right."""
        _check(request, self.right)
        return token


class Session(APIKeyCookie):
    """Authentication with a session; requests that change something need the CSRF token."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, right: str = "", *, reauthenticated: bool = False) -> None:
        super().__init__()
        self.right, self.reauthenticated = right, reauthenticated

    def __call__(self, request: Any) -> Any:
        """Return the user, None if not authenticated."""
        return self.authenticate(request, None) if request.user.is_authenticated else None

    def authenticate(self, request: Any, key: str | None) -> Any:
        """Return the user if the CSRF token is valid and the user has the right."""
        if check_csrf(request) is not None:
            raise Forbidden(
                _("The CSRF token is missing or expired. Nothing was changed."),
                action=_("Send the token in the X-CSRFToken header, or use an API token."),
            )
        _check(request, self.right)
        if self.reauthenticated and not is_recently_authenticated(request):
            raise Forbidden(
                _(
                    "You last confirmed your password more than five minutes "
                    "ago. Nothing was changed."
                ),
                action=_("Log in again, or use an API token that has this right."),
            )
        return request.user


def _check(request: Any, right: str) -> None:
    if right and not has_right(request, right):
        raise missing_right(str(RIGHTS[right]))


def require(right: str = "", *, reauthenticated: bool = False) -> list[Any]:
    """Return the authentication of an endpoint: a token or a session with this right.

    With `reauthenticated`, a session also needs a recent authentication (D-32). A token does not,
    because it was given the right explicitly.
    """
    return [Bearer(right), Session(right, reauthenticated=reauthenticated)]


def _check_year(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"year must be between {YEARS.start} and {YEARS.stop - 1}")
    return value.astimezone(UTC)


Timestamp = Annotated[AwareDatetime, AfterValidator(_check_year)]
"""A date and time with UTC offset."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]


class RequestBody(Schema):
    """A request body; unknown names are rejected."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Schema):
    """An invalid value in the request."""

    field: str
    message: str


class Problem(Schema):
    """An error and the recommended action (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    action: str
    errors: list[FieldProblem] = Field(default_factory=list)


class Page(Schema, Generic[T]):
    """Part of a list, and the length of the whole list."""

    items: list[T]
    total: int
    limit: int
    offset: int


class Paging(Schema):
    """Which part of a list to return."""

    limit: int = Field(25, ge=1, le=500, description="maximum number of items to return")
    offset: int = Field(0, ge=0, le=1_000_000_000, description="number of items to skip")


def paginate(found: QuerySet[Any], paging: Paging) -> dict[str, Any]:
    """Return the requested part of a list, with two queries."""
    return {
        "items": list(found[paging.offset : paging.offset + paging.limit]),
        "total": found.count(),
        "limit": paging.limit,
        "offset": paging.offset,
    }


def check_sort(sort: str, fields: Iterable[str]) -> None:
    """Raise Invalid if a list cannot be sorted by the requested field. "" is the default order."""
    names = list(fields)
    if sort and sort.removeprefix("-") not in names:
        raise Invalid(
            _("The list cannot be sorted by %s.") % sort,
            action=_("Use one of these fields: %s.") % ", ".join(names),
            field="sort",
        )


def get_by_guid(found: QuerySet[M], key: str) -> M:
    """Return the row with a GUID; raise NotFound for an unknown or invalid GUID."""
    try:
        row = found.filter(pk=UUID(key)).first()
    except ValueError:
        row = None
    return _require_row(row)


def get_by_number(found: QuerySet[M], key: str) -> M:
    """Return the row with a number; raise NotFound for an unknown or invalid number."""
    number = int(key) if key.isascii() and key.isdecimal() and len(key) <= MAX_DIGITS else 0
    return _require_row(found.filter(pk=number).first())


def _require_row(row: M | None) -> M:
    if row is None:
        raise NotFound(_("The resource does not exist or you do not have permission to view it."))
    return row


def file_response(kind: str) -> dict[str, Any]:
    """Return the OpenAPI extension of an endpoint that returns a file."""
    schema = {"type": "string"} if kind.startswith("text/") or "pem" in kind else {}
    return {"responses": {200: {"content": {kind: {"schema": schema}}}}}


class OpenApiDocument(OpenAPISchema):
    """The OpenAPI document with the required right and the problems of each endpoint."""

    def operation_details(self, operation: Operation) -> Any:
        """Return the description of an endpoint."""
        details = super().operation_details(operation)
        right = next(
            (r for callback in operation.auth_callbacks if (r := getattr(callback, "right", ""))),
            "",
        )
        if right:
            details["x-right"] = right
        content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for status in ("4XX", "5XX"):
            details["responses"][status] = {"description": "Problem", "content": content}
        return details

    def get_components(self) -> Any:
        """Return the schemas, including that of a problem document."""
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        self.schemas |= schema.pop("$defs")
        self.schemas["Problem"] = schema
        return super().get_components()


class Api(NinjaAPI):
    """A REST API that returns every error as a problem document."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the OpenAPI document."""
        return OpenApiDocument(self, path_prefix or self.get_root_path(path_params or {}))

    def set_default_exception_handlers(self) -> None:
        """Register the error handlers; unexpected errors are raised to the middleware."""
        self.add_exception_handler(Fault, errors.fault_response)
        self.add_exception_handler(
            AuthenticationError, lambda _request, _error: unauthenticated_response()
        )
        self.add_exception_handler(HttpError, errors.http_error_response)
        self.add_exception_handler(ValidationError, errors.invalid_response)
        self.add_exception_handler(Exception, errors.raise_bug)


def api_endpoint(view: Any) -> Any:
    """Wrap a view for programs: no login page, a body limit, 405 as a problem document."""

    @login_not_required
    @functools.wraps(view)
    def endpoint(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        upload = request.content_type == "multipart/form-data"
        if int(request.META.get("CONTENT_LENGTH") or 0) > (MAX_UPLOAD if upload else MAX_BODY):
            return problem(413, _("The request is too large."), _("Send a smaller request."))
        method = request.method
        request.method = "GET" if method == "HEAD" else method
        try:
            response: HttpResponse = view(request, *args, **kwargs)
        finally:
            request.method = method
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        problem_405 = problem(405, _("This endpoint does not support the %s method.") % method, "")
        problem_405.headers["Allow"] = response.headers.get("Allow", "")
        return problem_405

    return endpoint
