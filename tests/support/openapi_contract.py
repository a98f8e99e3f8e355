"""Checks requests and responses against the description of the API, tests/contract/openapi.yaml."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

if TYPE_CHECKING:
    from collections.abc import Iterable

DESCRIPTION_FILE = Path(__file__).parents[1] / "contract" / "openapi.yaml"


class BrokenContractError(AssertionError):
    """A request or a response does not match the description."""


class Contract:
    """The description of the API, ready to check requests and responses.

    As an httpx hook: ``httpx.Client(event_hooks={"response": [contract.hook]})``.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        self._openapi = OpenAPI.from_dict(description)
        # Tests request the same long lists repeatedly, and checking one takes half a second.
        self._valid_responses: set[tuple[str, int, str, bytes]] = set()
        # Ids contain no slash, so a path matches exactly one template.
        self._templates = {
            re.compile(re.sub(r"\{\w+\}", "[^/]+", template)): template for template in description["paths"]
        }

    def check(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise if the request or the response does not match."""
        self.check_request(request)
        self.check_response(request, response)

    def hook(self, response: httpx.Response) -> None:
        """Check a response and its request before the client reads the response."""
        self.check(response.request, response)

    def check_request(self, request: httpx.Request) -> None:
        """Raise if a request does not match, or if it has a parameter or a body that the operation does not have."""
        operation, shared_parameters = self._find_operation(request)
        parameters = [*shared_parameters, *operation.get("parameters", [])]
        known = {self._resolve(parameter)["name"] for parameter in parameters}
        if unknown := set(request.url.params) - known:
            raise BrokenContractError(f"{_describe(request)} has unknown parameters: {sorted(unknown)}")
        if request.read() and "requestBody" not in operation:
            raise BrokenContractError(f"{_describe(request)} has a body")
        _raise_all(request, self._openapi.iter_request_errors(_OpenApiRequest(request)))

    def check_response(self, request: httpx.Request, response: httpx.Response) -> None:
        """Raise if a response does not match; its request is not checked."""
        response.read()
        operation, _ = self._find_operation(request)
        # The description has a default response for errors, but a success must be documented with its own status.
        if not response.is_error and str(response.status_code) not in operation["responses"]:
            raise BrokenContractError(f"{_describe(request)} returned an undocumented {response.status_code}")
        if response.status_code == httpx.codes.NO_CONTENT and response.content:
            raise BrokenContractError(f"{_describe(request)} returned 204 with content")
        content_type = response.headers.get("content-type", "")
        key = (operation["operationId"], response.status_code, content_type, response.content)
        if key not in self._valid_responses:
            errors = self._openapi.iter_response_errors(_OpenApiRequest(request), _OpenApiResponse(response))
            _raise_all(request, errors)
            self._valid_responses.add(key)

    def _find_operation(self, request: httpx.Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        for pattern, template in self._templates.items():
            path_item = self.description["paths"][template]
            if pattern.fullmatch(request.url.path) and request.method.lower() in path_item:
                return path_item[request.method.lower()], path_item["parameters"]
        raise BrokenContractError(f"{_describe(request)} is not an operation of the API")

    def _resolve(self, parameter: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in parameter:
            return parameter
        target: dict[str, Any] = self.description
        for key in parameter["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        return target


class _OpenApiRequest:
    """An httpx request with the interface that openapi-core expects."""

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


class _OpenApiResponse:
    """An httpx response with the interface that openapi-core expects."""

    def __init__(self, response: httpx.Response) -> None:
        self.data = response.content
        self.status_code = response.status_code
        self.headers = Headers(list(response.headers.items()))
        self.content_type = response.headers.get("content-type", "")


def load_description() -> dict[str, Any]:
    """Read the description of the API."""
    description: dict[str, Any] = yaml.safe_load(DESCRIPTION_FILE.read_text("utf-8"))
    return description


def with_go_encoding(part: Any) -> Any:
    """Return a description, or a part of it, in which every list can be null and undefined fields are not required."""
    if isinstance(part, list):
        return [with_go_encoding(item) for item in part]
    if not isinstance(part, dict):
        return part
    changed = {key: with_go_encoding(value) for key, value in part.items()}
    if changed.get("type") == "array":
        changed["type"] = ["array", "null"]
    if isinstance(changed.get("required"), list):
        changed["required"] = [name for name in changed["required"] if name not in {"lastDeployedAt", "grantType"}]
    return changed


def _raise_all(request: httpx.Request, errors: Iterable[Exception]) -> None:
    messages = [message for error in errors for message in _messages(error)]
    if messages:
        raise BrokenContractError(f"{_describe(request)}: " + "; ".join(messages))


def _messages(error: Exception) -> list[str]:
    causes = getattr(error.__cause__, "schema_errors", None) or [error.__cause__ or error]
    return [f"{getattr(cause, 'json_path', '')} {getattr(cause, 'message', cause)}" for cause in causes]


def _describe(request: httpx.Request) -> str:
    return f"{request.method} {request.url.path}"
