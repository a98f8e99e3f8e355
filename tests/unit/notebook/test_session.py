"""The session: what this kernel is connected to, found anew each time."""

import traceback

import pytest
from faults.hostile import HostilePlatform

import versori_magics as versori
from versori_magics.errors import ArgumentError, SettingsError, UnauthorisedError
from versori_magics.notebook.session import CURRENT, Session
from versori_magics.platform.auth import Secret

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVRZ"


def test_the_dot_is_the_connected_organisation_and_a_ulid_is_itself(platform: HostilePlatform) -> None:
    session = Session()
    assert session.organisation(".") == platform.organisation
    assert session.organisation(ONE.lower()) == ONE
    session.tell({"organisation": TWO})
    assert session.organisation(".") == TWO


def test_without_an_organisation_the_dot_is_an_error() -> None:
    with pytest.raises(SettingsError) as caught:
        Session().organisation(".")
    assert "No organisation is connected" in str(caught.value)
    assert "VERSORI_ORGANISATION" in str(caught.value)


@pytest.mark.parametrize("org", ["", " ", "acme", "../../x", ONE + "0", "0" * 25 + "U", f"{ONE} --yes", "8" + ONE[1:]])
def test_an_organisation_that_is_no_ulid_is_refused_without_being_shown(org: str) -> None:
    with pytest.raises(SettingsError, match="is no ULID") as caught:
        Session().organisation(org)
    assert not org.strip() or org not in str(caught.value)


@pytest.mark.parametrize("org", [None, 5, b"x", [ONE], True])
def test_an_organisation_that_is_no_text_is_refused(org: object) -> None:
    for verb in (versori.connections, lambda org: versori.plan(org, ONE), lambda org: versori.delete(org, ONE)):
        with pytest.raises(ArgumentError, match="a ULID is needed"):
            verb(org)


def test_one_client_is_made_for_each_organisation_and_kept(platform: HostilePlatform) -> None:
    session = Session()
    first = session.client(".")
    assert session.client(".") is first
    assert session.client(platform.organisation) is first
    assert session.client(ONE) is not first
    session.close()
    assert session.client(".") is not first
    session.close()


def test_a_variable_that_changes_in_the_environment_is_not_missed(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(versori.connections(".")) == 9
    monkeypatch.setenv("VERSORI_TOKEN", "a-dead-t0ken")
    with pytest.raises(UnauthorisedError):
        versori.connections(".")
    monkeypatch.setenv("VERSORI_TOKEN", platform.token)
    assert len(versori.connections(".")) == 9


def test_what_connect_was_told_wins_over_the_environment_until_it_is_told_anew(
    platform: HostilePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSORI_ORGANISATION", ONE)
    monkeypatch.setenv("VERSORI_SERVER", "https://elsewhere.example")
    versori.connect(server=platform.url, org=platform.organisation)
    assert len(versori.connections(".")) == 9
    versori.connect()
    assert CURRENT.settings().server == "https://elsewhere.example"
    assert CURRENT.organisation(".") == ONE


def test_a_setting_that_makes_no_sense_changes_nothing(platform: HostilePlatform) -> None:
    for told in ({"server": "nowhere"}, {"organisation": "acme"}, {"auth": "psychic"}, {"context": "none"}):
        with pytest.raises(SettingsError):
            CURRENT.tell(told)
        assert len(versori.connections(".")) == 9


def test_without_a_token_it_is_said_where_one_comes_from() -> None:
    with pytest.raises(SettingsError) as caught:
        Session().client(ONE)
    assert "There is no token for https://platform.versori.com/api/v2" in str(caught.value)
    assert "VERSORI_TOKEN" in str(caught.value)


def test_closing_leaves_no_connection_open(platform: HostilePlatform) -> None:
    versori.connections(".", usage=True)
    assert platform.open_connections > 0
    CURRENT.close()
    platform.wait_for(lambda: platform.open_connections == 0)


def test_the_session_does_not_show_its_token() -> None:
    session = Session()
    session.tell({"token": Secret("t0ken-for-tests-only"), "organisation": ONE})
    session.client(".")
    assert "t0ken" not in repr(vars(session)) + repr(session.settings())
    session.close()


@pytest.mark.parametrize("told", [{"server": "nowhere"}, {"org": "acme"}, {"auth": "psychic"}])
def test_no_variable_of_our_frames_shows_the_token_when_a_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    monkeypatch.setenv("VERSORI_TOKEN", "t0ken-for-tests-only")
    with pytest.raises(SettingsError) as caught:
        versori.connect(**told)
    frames = [entry for entry in traceback.walk_tb(caught.tb) if "versori_magics" in entry[0].f_code.co_filename]
    assert len(frames) > 2
    for frame, _ in frames:
        shown = {name: repr(value) for name, value in frame.f_locals.items()}
        assert not [name for name, text in shown.items() if "t0ken" in text], frame.f_code.co_name
