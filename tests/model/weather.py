"""Faults of the network and of the platform, each with a name that is printed if a history fails."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from model.asgi import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.site import Site

_ULID = re.compile(rb"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b")


class Call(NamedTuple):
    """One request, as a fault sees it."""

    operation: str
    number: int
    """The how manieth of this operation in this command, from 1."""
    environment: int
    """The position of the environment that it asks about; -1 if there is none."""
    deletes: int
    """DELETEs of this command so far."""


class Fault(NamedTuple):
    """What goes wrong with one request.

    Parameters
    ----------
    acts : bool
        Whether the platform carries it out.
    answer : Answer or None
        What it answers; None if nothing arrives.
    sent : bool
        False if there is no connection to the platform.
    """

    acts: bool
    answer: Answer | None = None
    sent: bool = True


def error(status: int, **headers: str) -> Answer:
    """Return a documented Error."""
    body = json.dumps({"code": f"{status}001", "message": "The platform says no."}).encode()
    return Answer(status, [(b"content-type", b"application/json"), *_encoded(headers)], body)


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]


_PAGE = Answer(404, [(b"content-type", b"text/html")], b"<h1>Not found</h1>")
_NO_PROJECTS = Answer(200, [(b"content-type", b"application/json")], b'{"projects":[]}')
_LOOK_UPS = ("ListEnvironmentConnections", "ListActivations")


def _is_delete(call: Call, first: int = 1, last: int = 99) -> bool:
    return call.operation == "DeleteConnection" and first <= call.number <= last


WEATHERS: dict[str, Callable[[Call], Fault | None]] = {
    "calm": lambda _: None,
    "an answer is lost": lambda call: Fault(acts=True) if _is_delete(call, last=1) else None,
    "every answer is lost": lambda call: Fault(acts=True) if _is_delete(call) else None,
    "a request is lost": lambda call: Fault(acts=False) if _is_delete(call, last=1) else None,
    "no connection": lambda call: Fault(acts=False, sent=False) if _is_delete(call) else None,
    "done, but answers 500": lambda call: Fault(acts=True, answer=error(500)) if _is_delete(call) else None,
    "answers 500": lambda call: Fault(acts=False, answer=error(500)) if _is_delete(call) else None,
    "asks to wait": lambda call: (
        Fault(acts=False, answer=error(503, retry_after="100")) if _is_delete(call, last=4) else None
    ),
    "refuses the token": lambda call: Fault(acts=False, answer=error(401)) if _is_delete(call, first=2) else None,
    "forbids": lambda call: Fault(acts=False, answer=error(403)) if _is_delete(call) else None,
    "a gateway's page": lambda call: Fault(acts=False, answer=_PAGE) if _is_delete(call, last=1) else None,
    "no look at what is gone": lambda call: (
        Fault(acts=True)
        if _is_delete(call)
        else Fault(acts=False, answer=error(500))
        if call.operation == "GetConnection" and call.deletes
        else None
    ),
    "three environments fail": lambda call: (
        Fault(acts=False, answer=error(500)) if call.operation in _LOOK_UPS and 0 <= call.environment < 3 else None
    ),
    "one list of activations fails": lambda call: (
        Fault(acts=False, answer=error(500)) if call.operation == "ListActivations" and call.environment == 0 else None
    ),
    "the projects fail": lambda call: (
        Fault(acts=False, answer=error(500)) if call.operation == "ListProjects" else None
    ),
    "no projects": lambda call: Fault(acts=False, answer=_NO_PROJECTS) if call.operation == "ListProjects" else None,
}


def _lower_case_ids(operation: str, _query: str, answer: Answer, _site: Site) -> Answer:
    return answer._replace(body=_ULID.sub(lambda match: match.group().lower(), answer.body))


def _activations_without_connections(operation: str, query: str, answer: Answer, site: Site) -> Answer:
    """Leave `connections` out; and ListConnections of an end user lists only dynamic connections."""
    if operation == "ListActivations":
        activations = [{**item, "connections": None} for item in json.loads(answer.body) or ()]
        for item in activations:
            del item["connections"]
        return answer._replace(body=json.dumps(activations).encode())
    if operation == "ListConnections" and "end_user_id" in query:
        page = json.loads(answer.body)
        page["items"] = [item for item in page["items"] or () if item["id"].upper() == site.ids["dynamic"]]
        page["totalCount"] = len(page["items"])
        return answer._replace(body=json.dumps(page).encode())
    return answer


def _dynamic_ones_only_by_end_user(operation: str, query: str, answer: Answer, site: Site) -> Answer:
    """Leave dynamic connections out of the list of all connections."""
    if operation == "ListConnections" and "end_user_id" not in query:
        page = json.loads(answer.body)
        items = [item for item in page["items"] or () if item["id"].upper() != site.ids["dynamic"]]
        page["totalCount"] -= len(page["items"] or ()) - len(items)
        return answer._replace(body=json.dumps({**page, "items": items}).encode())
    return answer


def _null_for_empty(operation: str, _query: str, answer: Answer, _site: Site) -> Answer:
    if answer.body == b"[]":
        return answer._replace(body=b"null")
    return answer._replace(body=answer.body.replace(b":[]", b":null"))


# How a platform words its answers; each is allowed by its documentation.
MANNERS: dict[str, Callable[[str, str, Answer, Site], Answer]] = {
    "plain": lambda _operation, _query, answer, _site: answer,
    "ids in lower case": _lower_case_ids,
    "activations without connections": _activations_without_connections,
    "null for an empty list": _null_for_empty,
    "dynamic ones only by end user": _dynamic_ones_only_by_end_user,
}
