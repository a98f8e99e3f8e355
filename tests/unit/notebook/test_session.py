"""The session: what this kernel is connected to, by settings that are resolved at every command."""

import traceback
from pathlib import Path

import pytest
from support.hostile_platform import HostilePlatform

import versori_magics as versori
from versori_magics.api.auth import Secret
from versori_magics.errors import ArgumentError, SettingsError, UnauthorisedError
from versori_magics.notebook.session import SESSION, Session, workflow_for

ULID_1 = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ULID_2 = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def organisation_of(session: Session, org: str) -> str:
    return session.client(org).organisation


# The organisation.


def test_a_dot_is_the_connected_organisation_and_a_ulid_is_itself(platform: HostilePlatform) -> None:
    session = Session()
    assert organisation_of(session, ".") == platform.organisation
    assert organisation_of(session, ULID_1.lower()) == ULID_1
    session.connect({"organisation": ULID_2})
    assert organisation_of(session, ".") == ULID_2
    session.close()


def test_a_dot_cannot_be_resolved_without_a_connected_organisation() -> None:
    with pytest.raises(SettingsError) as caught:
        Session().client(".")
    assert "Not connected to an organisation" in str(caught.value)
    assert "VERSORI_ORGANISATION" in str(caught.value)


@pytest.mark.parametrize(
    "org", ["", " ", "acme", "../../x", ULID_1 + "0", "0" * 25 + "U", f"{ULID_1} --yes", "8" + ULID_1[1:]]
)
def test_an_organisation_that_is_not_a_ulid_is_rejected_and_not_shown(org: str) -> None:
    with pytest.raises(SettingsError, match="is not a ULID") as caught:
        Session().client(org)
    assert not org.strip() or org not in str(caught.value)


@pytest.mark.parametrize("org", [None, 5, b"x", [ULID_1], True])
def test_an_organisation_that_is_not_text_is_rejected(org: object) -> None:
    functions = (
        versori.connections,
        lambda org: versori.connection(org, ULID_1),
        lambda org: versori.plan(org, ULID_1),
        lambda org: versori.delete(org, ULID_1),
    )
    for function in functions:
        with pytest.raises(ArgumentError, match="it must be a ULID"):
            function(org)


def test_a_wrong_organisation_is_reported_before_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as environment:
        environment.setenv("VERSORI_SERVER", "nowhere")
        with pytest.raises(SettingsError, match=r"The organisation .* is not a ULID"):
            Session().client("acme")


# Clients.


def test_each_organisation_has_one_client_until_the_session_is_closed(platform: HostilePlatform) -> None:
    session = Session()
    first = session.client(".")
    assert session.client(".") is first
    assert session.client(platform.organisation) is first
    assert session.client(ULID_1) is not first
    session.close()
    assert session.client(".") is not first
    session.close()


def test_closing_the_session_closes_every_connection(platform: HostilePlatform) -> None:
    versori.connections(".", usage=True)
    assert platform.open_connections > 0
    SESSION.close()
    platform.wait_for(lambda: platform.open_connections == 0)


def test_a_missing_token_is_an_error_that_says_how_to_provide_one() -> None:
    with pytest.raises(SettingsError) as caught:
        Session().client(ULID_1)
    assert "There is no token for https://platform.versori.com/api/v2" in str(caught.value)
    assert "VERSORI_TOKEN" in str(caught.value)


# Settings.


def test_a_changed_environment_variable_takes_effect_at_the_next_command(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(versori.connections(".")) == 9
    monkeypatch.setenv("VERSORI_TOKEN", "a-dead-t0ken")
    with pytest.raises(UnauthorisedError):
        versori.connections(".")
    monkeypatch.setenv("VERSORI_TOKEN", platform.token)
    assert len(versori.connections(".")) == 9


def test_the_arguments_of_connect_take_precedence_over_the_environment_until_the_next_connect(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSORI_ORGANISATION", ULID_1)
    monkeypatch.setenv("VERSORI_SERVER", "https://elsewhere.example")
    versori.connect(server=platform.url, org=platform.organisation)
    assert len(versori.connections(".")) == 9
    versori.connect()
    client = SESSION.client(".")
    assert (client.server, client.organisation) == ("https://elsewhere.example", ULID_1)


def test_an_invalid_setting_changes_nothing(platform: HostilePlatform) -> None:
    for arguments in ({"server": "nowhere"}, {"organisation": "acme"}, {"auth": "psychic"}, {"context": "none"}):
        with pytest.raises(SettingsError):
            SESSION.connect(arguments)
        assert len(versori.connections(".")) == 9


# Workflows.


def test_a_workflow_has_the_journal_folder_and_the_protection_file_of_this_moment(
    platform: HostilePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SESSION.client(".")
    workflow = workflow_for(client)
    assert (workflow.platform.server, workflow.platform.organisation) == (platform.url, platform.organisation)
    assert (workflow.journal_folder, workflow.protection_file) == (tmp_path / "runs", None)
    monkeypatch.setenv("VERSORI_JOURNAL", str(tmp_path / "other runs"))
    monkeypatch.setenv("VERSORI_PROTECT", f"  {tmp_path / 'protect.txt'} ")
    workflow = workflow_for(client)
    assert (workflow.journal_folder, workflow.protection_file) == (tmp_path / "other runs", tmp_path / "protect.txt")
    assert workflow_for(client, "mine.txt").protection_file == Path("mine.txt")
    assert workflow_for(client, Path("mine.txt")).protection_file == Path("mine.txt")


# Secrets.


def test_the_session_does_not_show_its_token() -> None:
    session = Session()
    session.connect({"token": Secret("t0ken-for-tests-only"), "organisation": ULID_1})
    session.client(".")
    assert "t0ken" not in repr(vars(session))
    session.close()


@pytest.mark.parametrize("arguments", [{"server": "nowhere"}, {"org": "acme"}, {"auth": "psychic"}])
def test_no_variable_in_the_traceback_of_a_rejected_setting_shows_the_token(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str]
) -> None:
    monkeypatch.setenv("VERSORI_TOKEN", "t0ken-for-tests-only")
    with pytest.raises(SettingsError) as caught:
        versori.connect(**arguments)
    frames = [entry for entry in traceback.walk_tb(caught.tb) if "versori_magics" in entry[0].f_code.co_filename]
    assert len(frames) > 2
    for frame, _ in frames:
        variables = {name: repr(value) for name, value in frame.f_locals.items()}
        assert not [name for name, text in variables.items() if "t0ken" in text], frame.f_code.co_name
