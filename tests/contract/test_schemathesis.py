"""Hundreds of generated requests, valid and invalid, to a running sandbox."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from support.openapi_contract import load_description

from versori_magics.emulator import Emulator
from versori_magics.emulator.models import Organisation
from versori_magics.emulator.pagination import paginate
from versori_magics.emulator.seed import build_organisation

SEED = 1
SIZE = 250
# A bounded number of requests, the same in every run.
CONFIG = {"generation": {"max-examples": 20, "deterministic": True, "database": "none"}}


def description_with_existing_ids() -> dict[str, Any]:
    """Return the description with ids that exist, because all requests with generated ULIDs would end in a 404."""
    description = load_description()
    organisation = build_organisation(SIZE, SEED)
    values = parameter_values(organisation)
    template_ids = [link.template_id for link in organisation.links[:2]]
    shared_parameters = description["components"]["parameters"]
    for path, path_item in description["paths"].items():
        cursors = cursors_of(organisation, path)
        for operation in (path_item, *(path_item[method] for method in ("get", "delete") if method in path_item)):
            parameters = [
                shared_parameters[p["$ref"].rpartition("/")[2]] if "$ref" in p else p
                for p in operation.get("parameters", [])
            ]
            # Copied, because the lists share their parameters but not their cursors.
            operation["parameters"] = [dict(parameter) for parameter in parameters]
            for parameter in operation["parameters"]:
                if existing := (cursors | values).get(parameter["name"]):
                    parameter["schema"] = {"type": "string", "enum": sorted(set(existing))}
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                body["properties"]["connectionTemplateId"] = {"enum": template_ids}
    return description


def parameter_values(organisation: Organisation) -> dict[str, list[str]]:
    """Return values that exist, for each parameter that is not to have generated values."""
    links, activations = organisation.links[:2], organisation.activations[:2]
    static_ids = [link.connection_id for link in links]
    dynamic_ids = [connection_id for activation in activations for connection_id in activation.connection_ids]
    any_ids = [connection.id for connection in organisation.connections[:3]]
    return {
        "organisation_id": [organisation.id],
        "connection_id": static_ids + dynamic_ids + any_ids,
        "project_id": [organisation.projects[0].id],
        "env_id": [environment.id for environment in organisation.projects[0].environments],
        "environment_id": [activation.environment_id for activation in activations],
        "activation_id": [activation.id for activation in activations],
        "system_id": [system.id for system in organisation.systems[:3]],
        "end_user_id": [activation.end_user.id for activation in activations],
        "user_id": [end_user.external_id for end_user in organisation.end_users[:2]],
    }


def cursors_of(organisation: Organisation, path: str) -> dict[str, list[str]]:
    """Return cursors of the list at a path."""
    name = path.rpartition("/")[2]
    items = organisation.systems if name == "systems" else organisation.connections
    return {"after": [paginate(name, items, 1).next], "before": [paginate(name, items, 3).next]}


schema = schemathesis.openapi.from_dict(description_with_existing_ids(), config=SchemathesisConfig.from_dict(CONFIG))


@pytest.fixture(scope="module")
def running_emulator() -> Iterator[Emulator]:
    with Emulator(SIZE, SEED) as emulator:
        yield emulator


@schema.parametrize()
def test_every_generated_request_gets_a_documented_response(
    case: schemathesis.Case[Any], running_emulator: Emulator
) -> None:
    # Every request starts from the seeded state; otherwise, once everything is deleted, all responses are 404.
    running_emulator.reset()
    headers = {"Authorization": f"Bearer {running_emulator.token}"}
    # This also checks that valid input is accepted, and that invalid input or a missing token is rejected.
    case.call_and_validate(base_url=running_emulator.url, headers=headers)
