"""connect: the server, the organisation and the token, and where each comes from."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from support.hostile_platform import HostilePlatform

import versori_magics as versori
from versori_magics.api.auth import Secret
from versori_magics.errors import ArgumentError, SettingsError, UnauthorisedError

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def make_jwt(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


def test_connect_sends_nothing_and_names_the_source_of_each_setting(platform: HostilePlatform) -> None:
    summary = versori.connect(org=ULID)
    assert summary.pairs["server"] == f"{platform.url} (environment)"
    assert summary.pairs["organisation"] == f"{ULID} (argument)"
    assert summary.pairs["token"] == "***, sent as bearer (environment)"
    assert summary.pairs["expires"] == "unknown"
    assert platform.token not in repr(summary) + summary._repr_mimebundle_()["text/html"]
    assert platform.requests == []


def test_connect_shows_how_a_jwt_is_sent_and_when_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    token = make_jwt({"iss": "https://versori.com/sk/01", "exp": 1893456000})
    monkeypatch.setenv("VERSORI_TOKEN", token)
    summary = versori.connect(org=ULID)
    assert summary.pairs["token"] == "***, sent as jwt (environment)"
    assert summary.pairs["expires"] == "2030-01-01 00:00+00:00"
    assert token.split(".")[1] not in repr(summary)


def test_connect_uses_server_organisation_and_token_of_a_cli_context_together(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = {"name": "a", "organisation_id": platform.organisation, "jwt": "b0gus", "url_overwrite": platform.url}
    (tmp_path / "config.yaml").write_text(json.dumps({"active_context": "", "contexts": {"acme": context}}))
    monkeypatch.setenv("VERSORI_ORGANISATION", ULID)
    summary = versori.connect("acme")
    assert summary.pairs["organisation"] == f"{platform.organisation} (context acme)"
    with pytest.raises(UnauthorisedError):
        versori.connections(".")
    with pytest.raises(SettingsError, match="Did you mean acme"):
        versori.connect("acne")


def test_connect_works_without_an_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSORI_TOKEN", "t")
    assert versori.connect().pairs["organisation"] == "not set"


def test_connect_asks_for_a_missing_token_and_keeps_it(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = platform.token
    monkeypatch.delenv("VERSORI_TOKEN")
    servers = []

    def ask_for_token(server: str) -> Secret:
        servers.append(server)
        return Secret(token)

    monkeypatch.setattr("versori_magics.notebook.prompts.ask_for_token", ask_for_token)
    assert versori.connect().pairs["token"] == "***, sent as bearer (argument)"
    assert servers == [platform.url]
    assert len(versori.connections(".")) == 9


@pytest.mark.parametrize("name", ["context", "server", "org", "auth"])
def test_a_blank_argument_of_connect_counts_as_absent(platform: HostilePlatform, name: str) -> None:
    assert versori.connect(**{name: ""}).pairs["server"] == f"{platform.url} (environment)"  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["context", "server", "org", "auth"])
@pytest.mark.parametrize("value", [5, True, b"x", ["x"]])
def test_connect_accepts_only_text(name: str, value: object) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} must be text"):
        versori.connect(**{name: value})  # type: ignore[arg-type]
