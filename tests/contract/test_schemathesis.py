"""Hundreds of requests that nobody thought of, valid and not, against a live sandbox."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from schemathesis.config import SchemathesisConfig

from versori_magics.sandbox import Sandbox
from versori_magics.sandbox.paging import cut
from versori_magics.sandbox.seed import build

SEED = 1
SIZE = 250
# Bounded, and the same each time: this is a test, not a search.
CONFIG = {"generation": {"max-examples": 20, "deterministic": True, "database": "none"}}


def aimed() -> dict[str, Any]:
    """Read the description, with ids that exist: a drawn ULID never names anything, and all would end in 404."""
    description: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text("utf-8"))
    organisation = build(SIZE, SEED)
    links = organisation.links[:2]
    activations = organisation.activations[:2]
    dynamic = [connection for activation in activations for connection in activation.connections]
    known = {
        "organisation_id": [organisation.id],
        "connection_id": [link.connection for link in links] + dynamic + [c.id for c in organisation.connections[:3]],
        "project_id": [organisation.projects[0].id],
        "env_id": [env.id for env in organisation.projects[0].environments],
        "environment_id": [activation.environment for activation in activations],
        "activation_id": [activation.id for activation in activations],
        "system_id": [system.id for system in organisation.systems[:3]],
        "end_user_id": [activation.user.id for activation in activations],
        # Of two cursors each is valid, but both together are not, which no description can say: one for each list.
        "after": [cut("connections", organisation.connections, size).next for size in (1, 100)],
        "before": [cut("systems", organisation.systems, size).next for size in (1, 3)],
        "first": None,
        "search": None,
    }
    shared = description["components"]["parameters"]
    for path, item in description["paths"].items():
        for operation in (item, *(item[method] for method in ("get", "delete") if method in item)):
            unwanted = "before" if path.endswith("/connections") else "after"
            found = [
                shared[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in operation.get("parameters", [])
            ]
            operation["parameters"] = [parameter for parameter in found if parameter["name"] != unwanted]
            for parameter in operation["parameters"]:
                if values := known[parameter["name"]]:
                    parameter["schema"] = {"type": "string", "enum": sorted(set(values))}
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                body["properties"]["connectionTemplateId"] = {"enum": [link.template for link in links]}
    return description


schema = schemathesis.openapi.from_dict(aimed(), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def serving() -> Iterator[Sandbox]:
    with Sandbox(SIZE, SEED) as sandbox:
        yield sandbox


@schema.parametrize()
def test_no_request_gets_an_answer_that_the_description_does_not_have(
    case: schemathesis.Case[Any], serving: Sandbox
) -> None:
    # As seeded for each request: otherwise, once all is deleted, nothing is found any more.
    serving.reset()
    headers = {"Authorization": f"Bearer {serving.token}"}
    # With all of its checks, also: valid input is taken, invalid input is not, and nobody comes in without the token.
    case.call_and_validate(base_url=serving.url, headers=headers)
