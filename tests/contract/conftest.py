"""The contract: openapi.yaml, to hold requests and responses against."""

import re
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from versori_magics.sandbox import Sandbox

DESCRIPTION = Path(__file__).with_name("openapi.yaml")


class BrokenContractError(AssertionError):
    """A request or a response is not what openapi.yaml describes."""


class Contract:
    """Holds what went over the wire against openapi.yaml.

    As an httpx hook: ``httpx.Client(event_hooks={"response": [contract.hook]})``.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        self._openapi = OpenAPI.from_dict(description)
        # No id holds a slash, so each path fits one template.
        self._templates = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", template)): template for template in description["paths"]
        }

    def check(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise if either does not fit."""
        self.check_request(request)
        self.check_response(request, response)

    def hook(self, response: httpx.Response) -> None:
        """Check a response with its request, before the client gets to read it."""
        self.check(response.request, response)

    def check_request(self, request: httpx.Request) -> None:
        """Raise if a request does not fit, also where it names a parameter that the operation does not have."""
        operation, shared = self._operation(request)
        known = {self._resolved(parameter)["name"] for parameter in [*shared, *operation.get("parameters", [])]}
        if unknown := set(request.url.params) - known:
            raise BrokenContractError(f"{_line(request)} names unknown parameters: {sorted(unknown)}")
        if request.read() and "requestBody" not in operation:
            raise BrokenContractError(f"{_line(request)} has a body")
        self._no_errors(request, self._openapi.iter_request_errors(_Asked(request)))

    def check_response(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise if a response does not fit; the request need not."""
        response.read()
        operation, _ = self._operation(request)
        # The default answers are errors: a success must be one that is written down.
        if not response.is_error and str(response.status_code) not in operation["responses"]:
            raise BrokenContractError(f"{_line(request)} was answered with an undocumented {response.status_code}")
        if response.status_code == httpx.codes.NO_CONTENT and response.content:
            raise BrokenContractError(f"{_line(request)} was answered with 204 and yet with content")
        self._no_errors(request, self._openapi.iter_response_errors(_Asked(request), _Answered(response)))

    def _operation(self, request: httpx.Request) -> tuple[dict[str, Any], list[Any]]:
        for pattern, template in self._templates.items():
            item = self.description["paths"][template]
            if pattern.fullmatch(request.url.path) and request.method.lower() in item:
                return item[request.method.lower()], item["parameters"]
        raise BrokenContractError(f"{_line(request)} is no operation")

    def _resolved(self, thing: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in thing:
            return thing
        found: dict[str, Any] = self.description
        for part in thing["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _no_errors(self, request: httpx.Request, errors: Any) -> None:
        causes = []
        for error in errors:
            inner = getattr(error.__cause__, "schema_errors", None) or [error.__cause__ or error]
            causes += [f"{getattr(e, 'json_path', '')} {getattr(e, 'message', e)}" for e in inner]
        if causes:
            raise BrokenContractError(f"{_line(request)}: " + "; ".join(causes))


class _Asked:
    """An httpx request as openapi-core reads requests."""

    def __init__(self, request: httpx.Request) -> None:
        self.host_url = f"{request.url.scheme}://{request.url.netloc.decode()}"
        self.path = request.url.path
        self.method = request.method.lower()
        self.body = request.read() or None
        self.content_type = request.headers.get("content-type", "")
        cookies = SimpleCookie(request.headers.get("cookie", ""))
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.url.params.multi_items()),
            header=Headers(list(request.headers.items())),
            cookie=ImmutableMultiDict({name: morsel.value for name, morsel in cookies.items()}),
        )


class _Answered:
    """An httpx response as openapi-core reads responses."""

    def __init__(self, response: httpx.Response) -> None:
        self.data = response.content
        self.status_code = response.status_code
        self.headers = Headers(list(response.headers.items()))
        self.content_type = response.headers.get("content-type", "")


def _line(request: httpx.Request) -> str:
    return f"{request.method} {request.url.path}"


@pytest.fixture(scope="session")
def description() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def contract(description: dict[str, Any]) -> Contract:
    return Contract(description)


@pytest.fixture(scope="module")
def _serving() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_serving: Sandbox) -> Sandbox:
    """Give a running sandbox in its seeded state."""
    _serving.reset()
    return _serving


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Give a client that sits in the sandbox's organisation."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    base_url = f"{sandbox.url}/o/{sandbox.organisation}"
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False) as client:
        yield client
