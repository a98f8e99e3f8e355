"""The platform's HTTP face: who may come in, which operation is meant, and how answers and refusals look."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from versori_magics.sandbox import checks, shapes
from versori_magics.sandbox.operations import OPERATIONS, Call, Operation
from versori_magics.sandbox.organisation import WELL_KNOWN
from versori_magics.sandbox.refusal import Refusal, missing
from versori_magics.sandbox.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from versori_magics.sandbox.world import World


def build(world: World, latency: float = 0.0) -> Starlette:
    """Build the application.

    Parameters
    ----------
    world : World
        What it serves.
    latency : float
        Seconds that each request waits.
    """
    written = Shapes(world.organisation.id)
    app = Starlette(
        routes=[
            Route(f"/o/{{organisation_id}}{path}", _Endpoint(world, written, operations))
            for path, operations in OPERATIONS.items()
        ],
        middleware=[Middleware(_Gate, latency=latency)],
        exception_handlers={Refusal: _refused, HTTPException: _not_found, Exception: _failed},
    )
    # A slash too many is another path; the platform does not redirect.
    app.router.redirect_slashes = False
    return app


class _Gate:
    """Waits as long as a network would, and lets nobody in without the token."""

    def __init__(self, app: ASGIApp, latency: float) -> None:
        self.app = app
        self.latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        if _may_enter(Request(scope)):
            await self.app(scope, receive, send)
        else:
            challenge = {"WWW-Authenticate": "Bearer"}
            refusal = Refusal(401, "The token is missing or not valid.", headers=challenge)
            await _answer(refusal)(scope, receive, send)


class _Endpoint:
    """One path, all its methods."""

    def __init__(self, world: World, written: Shapes, operations: Mapping[str, Operation]) -> None:
        self.world = world
        self.written = written
        self.operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        operation = self.operations.get(request.method)
        if operation is None:
            allowed = ", ".join(sorted(self.operations))
            raise Refusal(405, f"This path takes {allowed} only.", headers={"Allow": allowed})
        path = {name: checks.ulid(name, value) for name, value in request.path_params.items()}
        query = checks.query(request.query_params.multi_items(), operation.parameters)
        if path["organisation_id"] != self.world.organisation.id:
            raise missing("organisation")
        call = Call(
            world=self.world,
            shapes=self.written,
            path=path,
            query=query,
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
        )
        body = operation.perform(call)
        response = Response(status_code=204) if body is None else Response(body, media_type="application/json")
        await response(scope, receive, send)


def _may_enter(request: Request) -> bool:
    # A wrong Authorization header is not made good by a cookie.
    given = request.headers.get("authorization")
    if given is None:
        return request.cookies.get("cookie") == WELL_KNOWN
    scheme, _, token = given.partition(" ")
    return scheme.lower() in {"bearer", "jwt"} and token.strip() == WELL_KNOWN


def _answer(refusal: Refusal) -> Response:
    return Response(
        shapes.encode(refusal.body()),
        status_code=refusal.status,
        headers=refusal.headers,
        media_type="application/json",
    )


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return _answer(error)


async def _not_found(_request: Request, _error: Exception) -> Response:
    # The router itself raises for nothing but a path that it does not know.
    return _answer(missing("path"))


async def _failed(_request: Request, error: Exception) -> Response:
    return _answer(Refusal(500, "The sandbox itself failed.", details=type(error).__name__))
