"""What the platform may write in several ways is read in one: ids, lists, times, and nothing secret is kept."""

import json
from typing import Any

import msgspec
import pytest

from versori_magics.api import models

ID = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
OTHER = "01BX5ZZKBKACTAV9WEVGEMMVS0"
ZERO = "0" * 26
SECRET = "S3CR3T"


def decode(body: Any, model: type[Any]) -> Any:
    return msgspec.json.decode(json.dumps(body), type=model)


@pytest.mark.parametrize(
    "model",
    [
        models.Connection,
        models.System,
        models.EndUser,
        models.Environment,
        models.Project,
        models.ConnectionReference,
        models.Activation,
    ],
)
def test_every_id_is_in_upper_case(model: type[Any]) -> None:
    assert decode({"id": ID.lower()}, model).id == ID
    assert decode({"id": ID[:9] + ID[9:].lower()}, model).id == ID
    assert model(id=ID.lower()).id == ID


def test_ids_of_systems_and_templates_and_ids_within_others_are_in_upper_case() -> None:
    connection = decode({"id": ID, "systemId": OTHER.lower(), "connectionTemplateId": OTHER.lower()}, models.Connection)
    assert (connection.system_id, connection.connection_template_id) == (OTHER, OTHER)
    activation = decode({"user": {"id": ID.lower()}, "connections": [{"id": OTHER.lower()}]}, models.Activation)
    assert (activation.user.id, activation.connections[0].id) == (ID, OTHER)


@pytest.mark.parametrize("text", ["", "x", "not a ulid", ID + "0", "i" * 26, ID[:-1] + "l", "\u0131" * 26])
def test_text_that_is_not_a_ulid_stays_as_it_is(text: str) -> None:
    connection = decode({"id": text, "systemId": text}, models.Connection)
    assert (connection.id, connection.system_id) == (text, text)


def test_zero_ulid_in_an_optional_id_is_absent() -> None:
    connection = decode({"id": ID, "systemId": ZERO, "connectionTemplateId": ZERO}, models.Connection)
    assert (connection.system_id, connection.connection_template_id) == (None, None)
    assert decode({"id": ZERO}, models.EndUser).id is None
    assert decode({"id": ZERO}, models.Activation).id is None


def status(**fields: Any) -> models.CredentialStatus:
    result = decode(fields, models.CredentialStatus)
    assert isinstance(result, models.CredentialStatus)
    assert SECRET not in repr(result) + str(msgspec.to_builtins(result))
    assert result.data is msgspec.UNSET
    return result


def test_credential_expires_when_its_token_expires() -> None:
    token = {"accessToken": SECRET, "expiresAt": "2026-01-01T00:00:00Z"}
    assert status(expiresAt="2030-01-01T00:00:00Z", data={"oauth2Token": token}).expires_at == "2026-01-01T00:00:00Z"
    assert status(data={"oauth2Token": token}).expires_at == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "data",
    [
        None,
        SECRET,
        7,
        10**40,
        1.5,
        True,
        [SECRET],
        {},
        {"string": {"value": SECRET}},
        {"oauth2Token": None},
        {"oauth2Token": SECRET},
        {"oauth2Token": [SECRET]},
        {"oauth2Token": {"accessToken": SECRET}},
        {"oauth2Token": {"expiresAt": None}},
        {"oauth2Token": {"expiresAt": ""}},
        {"oauth2Token": {"expiresAt": 7}},
        {"oauth2Token": {"expiresAt": {"secret": SECRET}}},
        {"oauth2Token": {"expiresAt": "0001-01-01T00:00:00Z"}},
    ],
)
def test_credential_without_the_expiry_of_a_token_expires_when_it_is_to_be_removed(data: Any) -> None:
    assert status(expiresAt="2030-01-01T00:00:00Z", data=data).expires_at == "2030-01-01T00:00:00Z"
    assert status(data=data).expires_at is None


def test_credential_errors_that_are_absent_null_or_empty_are_all_empty() -> None:
    assert not any(status(**fields).errors for fields in ({}, {"errors": None}, {"errors": []}))
    assert status(errors=["the grant has expired"]).errors == ("the grant has expired",)


def test_missing_list_is_distinguished_from_one_that_is_null() -> None:
    for model, name in (
        (models.Projects, "projects"),
        (models.Project, "environments"),
        (models.Activation, "connections"),
        (models.Page[models.System], "items"),
        (models.EndUserPage, "users"),
    ):
        assert getattr(decode({"id": ID}, model), name) is msgspec.UNSET
        assert getattr(decode({"id": ID, name: None}, model), name) is None
