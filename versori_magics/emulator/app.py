"""The web application: authentication, routing and error responses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from versori_magics.emulator import validation
from versori_magics.emulator.behaviour import Behaviour
from versori_magics.emulator.errors import ErrorResponse, not_found
from versori_magics.emulator.json_encoding import ResponseEncoder, encode_json
from versori_magics.emulator.routes import ROUTES, TEXT_PARAMETERS, Operation, OperationRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from versori_magics.emulator.state import PlatformState


def create_app(state: PlatformState, token: str, latency: float = 0.0, behaviour: Behaviour | None = None) -> Starlette:
    """Create the application.

    Parameters
    ----------
    state : PlatformState
        The state that the application serves and changes.
    token : str
        The token that every request must carry.
    latency : float
        The delay before each response, in seconds.
    behaviour : Behaviour, optional
        What the platform's documentation leaves open.
    """
    behaviour = behaviour or Behaviour()
    encoder = ResponseEncoder(state.organisation.id, go_encoding=behaviour.go_encoding)
    app = Starlette(
        routes=[
            Route(f"/o/{{organisation_id}}{path}", _Endpoint(state, behaviour, encoder, operations))
            for path, operations in ROUTES.items()
        ],
        middleware=[
            Middleware(_LatencyMiddleware, latency=latency),
            Middleware(_AuthenticationMiddleware, token=token),
        ],
        exception_handlers={
            ErrorResponse: _handle_error_response,
            HTTPException: _handle_unknown_path,
            Exception: _handle_internal_error,
        },
    )
    # The platform does not redirect: a path with an additional slash is unknown.
    app.router.redirect_slashes = False
    return app


class _LatencyMiddleware:
    """Delays each request."""

    def __init__(self, app: ASGIApp, latency: float) -> None:
        self.app = app
        self.latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        await self.app(scope, receive, send)


class _AuthenticationMiddleware:
    """Rejects requests without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_authenticated(Request(scope), self.token):
            await self.app(scope, receive, send)
        else:
            challenge = {"WWW-Authenticate": "Bearer"}
            error = ErrorResponse(401, "The token is missing or not valid.", headers=challenge)
            await _to_response(error)(scope, receive, send)


class _Endpoint:
    """One path with all its methods."""

    def __init__(
        self,
        state: PlatformState,
        behaviour: Behaviour,
        encoder: ResponseEncoder,
        operations: Mapping[str, Operation],
    ) -> None:
        self.state = state
        self.behaviour = behaviour
        self.encoder = encoder
        self.operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self._operation(request.method)
        body = operation.handle(await self._validated(request, operation))
        response = Response(status_code=204) if body is None else Response(body, media_type="application/json")
        await response(scope, receive, send)

    def _operation(self, method: str) -> Operation:
        if method not in self.operations:
            allowed = ", ".join(sorted(self.operations))
            raise ErrorResponse(405, f"This path only allows {allowed}.", headers={"Allow": allowed})
        return self.operations[method]

    async def _validated(self, request: Request, operation: Operation) -> OperationRequest:
        path = {
            name: value if name in TEXT_PARAMETERS else validation.parse_ulid(name, value)
            for name, value in request.path_params.items()
        }
        query = validation.parse_query(request.query_params.multi_items(), operation.query_parameters)
        if path["organisation_id"] != self.state.organisation.id:
            raise not_found("organisation")
        return OperationRequest(
            state=self.state,
            behaviour=self.behaviour,
            encoder=self.encoder,
            path=path,
            query=query,
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
        )


def _is_authenticated(request: Request, token: str) -> bool:
    # If there is an Authorization header, it alone counts, even if the cookie is valid.
    authorization = request.headers.get("authorization")
    if authorization is None:
        return request.cookies.get("cookie") == token
    scheme, _, credentials = authorization.partition(" ")
    return scheme.lower() in {"bearer", "jwt"} and credentials.strip() == token


def _to_response(error: ErrorResponse) -> Response:
    return Response(
        encode_json(error.body()),
        status_code=error.status,
        headers=error.headers,
        media_type="application/json",
    )


async def _handle_error_response(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ErrorResponse):  # Starlette passes only this type, but declares any exception.
        raise error
    return _to_response(error)


async def _handle_unknown_path(_request: Request, _error: Exception) -> Response:
    # The router raises HTTPException only if no path matches.
    return _to_response(not_found("path"))


async def _handle_internal_error(_request: Request, error: Exception) -> Response:
    return _to_response(ErrorResponse(500, "The sandbox failed with an internal error.", details=type(error).__name__))
