"""The kit of the REST API: who may call, problem documents, paging, what the document tells."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

from console.access.api_tokens import RIGHTS, allowed, refusal
from console.access.reauthentication import recently_proved
from console.pages.errors import STATUS, problem
from console.pages.responses import missing
from faults import Fault, Forbidden, NotFound

T = TypeVar("T")
M = TypeVar("M", bound=Model)
PROBLEM = "application/problem+json"
# No body but an upload is larger; an upload has the limit of its own kind besides (S-90).
BODY_AT_MOST = 1 << 20
UPLOAD_AT_MOST = 11 << 20
YEARS = range(1970, 9000)
DIGITS_AT_MOST = 18


class Bearer(HttpBearer):
    """A token of the console; the middleware has found it already."""

    def __init__(self, right: str = "") -> None:
        super().__init__()
        self.right = right

    def __call__(self, request: Any) -> Any:
        """Return the token, None where there is none; refuse one that lacks the right."""
        token = getattr(request, "token", None)
        return None if token is None else self.authenticate(request, token)

    def authenticate(self, request: Any, token: Any) -> Any:
        """Return the token if it may do what is asked."""
        _check(request, self.right)
        return token


class Session(APIKeyCookie):
    """The session of a user who is logged in; what changes something needs the CSRF token."""

    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, right: str = "", *, proved: bool = False) -> None:
        super().__init__()
        self.right, self.proved = right, proved

    def __call__(self, request: Any) -> Any:
        """Return the user; None for a stranger."""
        return self.authenticate(request, None) if request.user.is_authenticated else None

    def authenticate(self, request: Any, key: str | None) -> Any:
        """Return the user if the request is their own and they may do what is asked."""
        if check_csrf(request) is not None:
            raise Forbidden(
                _("The CSRF token is missing or old. Nothing was changed."),
                action=_("Send it as X-CSRFToken, or use a token of the API."),
            )
        _check(request, self.right)
        if self.proved and not recently_proved(request):
            raise Forbidden(
                _("You proved your password more than five minutes ago. Nothing was changed."),
                action=_("Log in again, or use a token that has this right."),
            )
        return request.user


def _check(request: Any, right: str) -> None:
    if right and not allowed(request, right):
        raise missing(str(RIGHTS[right]))


def having(right: str = "", *, proved: bool = False) -> list[Any]:
    """Return who may call an operation: a token or a session, with this right.

    `proved`: a session needs a fresh proof of the password besides (D-32). A token holds its
    right by name instead.
    """
    return [Bearer(right), Session(right, proved=proved)]


def _moment(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"the year must be from {YEARS.start} to {YEARS.stop - 1}")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
"""A time with its offset from UTC."""
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]


class Order(Schema):
    """What a caller asks for: a name that nobody knows is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Schema):
    """One part of the request that is wrong."""

    field: str
    message: str


class Problem(Schema):
    """Why a call failed and what to do about it (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    action: str
    errors: list[FieldProblem] = Field(default_factory=list)


class Page(Schema, Generic[T]):
    """A part of a list, and how long the whole list is."""

    items: list[T]
    total: int
    limit: int
    offset: int


class Paging(Schema):
    """Which part of a list to return."""

    limit: int = Field(25, ge=1, le=500, description="how many at most")
    offset: int = Field(0, ge=0, le=1_000_000_000, description="how many to skip")


def page(found: QuerySet[Any], paging: Paging) -> dict[str, Any]:
    """Return one part of a list as it is answered; two queries for any length."""
    return {
        "items": list(found[paging.offset : paging.offset + paging.limit]),
        "total": found.count(),
        "limit": paging.limit,
        "offset": paging.offset,
    }


def by_guid(found: QuerySet[M], key: str) -> M:
    """Return the row of a key; one that is unknown or no key at all is not found."""
    try:
        row = found.filter(pk=UUID(key)).first()
    except ValueError:
        row = None
    return _found(row)


def by_number(found: QuerySet[M], key: str) -> M:
    """Return the row of a number; one that is unknown or no number at all is not found."""
    number = int(key) if key.isascii() and key.isdecimal() and len(key) <= DIGITS_AT_MOST else 0
    return _found(found.filter(pk=number).first())


def _found(row: M | None) -> M:
    if row is None:
        raise NotFound(_("There is no such thing, or it is not yours to see."))
    return row


def as_file(kind: str) -> dict[str, Any]:
    """Return what the document tells of an operation that answers with a file."""
    schema = {"type": "string"} if kind.startswith("text/") or "pem" in kind else {}
    return {"responses": {200: {"content": {kind: {"schema": schema}}}}}


class Document(OpenAPISchema):
    """The OpenAPI document: each operation tells its right, and its problems."""

    def operation_details(self, operation: Operation) -> Any:
        """Return one operation; every failure is a problem document."""
        details = super().operation_details(operation)
        right = next(
            (r for one in operation.auth_callbacks if (r := getattr(one, "right", ""))), ""
        )
        if right:
            details["x-right"] = right
        content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for status in ("4XX", "5XX"):
            details["responses"][status] = {"description": "Problem", "content": content}
        return details

    def get_components(self) -> Any:
        """Return the shapes, with that of a problem."""
        shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        self.schemas |= shape.pop("$defs")
        self.schemas["Problem"] = shape
        return super().get_components()


class Api(NinjaAPI):
    """A REST API whose every failure is a problem document."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the OpenAPI document."""
        return Document(self, path_prefix or self.get_root_path(path_params or {}))

    def set_default_exception_handlers(self) -> None:
        """Answer faults; what nobody foresaw goes on to the middleware."""
        self.add_exception_handler(Fault, _fault)
        self.add_exception_handler(AuthenticationError, lambda _request, _error: refusal())
        self.add_exception_handler(HttpError, _http_error)
        self.add_exception_handler(ValidationError, _invalid)
        self.add_exception_handler(Exception, _bug)


def _fault(request: HttpRequest, fault: Any) -> HttpResponse:
    errors = [{"field": fault.field, "message": fault.explanation}] if fault.field else []
    return problem(STATUS[fault.kind], fault.explanation, fault.action, errors=errors)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status_code, str(error), _("Correct the request."))


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """Answer a request that does not fit the document; what was sent is not repeated."""
    errors = [
        {"field": ".".join(str(part) for part in wrong["loc"]), "message": wrong["msg"]}
        for wrong in error.errors
    ]
    first = f"{errors[0]['field']}: {errors[0]['message']}" if errors else ""
    detail = _("The request does not fit: %s. Nothing was changed.") % first
    return problem(422, detail, _("Correct the request."), errors=errors)


def _bug(request: HttpRequest, error: Any) -> HttpResponse:
    raise error


def program(view: Any) -> Any:
    """Make a view one for programs: no login page, a limit on the body, 405 as a problem."""

    @login_not_required
    @functools.wraps(view)
    def answered(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        upload = request.content_type == "multipart/form-data"
        if int(request.META.get("CONTENT_LENGTH") or 0) > (
            UPLOAD_AT_MOST if upload else BODY_AT_MOST
        ):
            return problem(413, _("The request is too large."), _("Send less."))
        asked = request.method
        request.method = "GET" if asked == "HEAD" else asked
        try:
            response: HttpResponse = view(request, *args, **kwargs)
        finally:
            request.method = asked
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        answer = problem(405, _("This address does not take %s.") % asked, "")
        answer.headers["Allow"] = response.headers.get("Allow", "")
        return answer

    return answered
