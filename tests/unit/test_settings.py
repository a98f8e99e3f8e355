import dataclasses
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support.settings_examples import (
    ARGUMENTS,
    ENVIRONMENT,
    ORGANISATION,
    ORGANISATIONS,
    TOKENS,
    environment,
    text_of,
    write_vendor_config,
)
from traitlets.config import Config

import versori_magics as versori
from versori_magics.api.auth import Secret, parse_auth_scheme
from versori_magics.api.servers import SERVERS
from versori_magics.errors import SettingsError
from versori_magics.settings import (
    VARIABLES,
    RedactedEnvironment,
    Settings,
    journal_folder,
    protection_file,
    resolve_settings,
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


# Which source counts


def test_without_any_setting_the_server_is_production_and_there_is_no_organisation_or_token(home: Path) -> None:
    settings = resolve_settings({}, {}, home)
    assert settings.server == SERVERS["production"]
    assert (settings.organisation, settings.token, settings.auth) == (None, None, "auto")
    assert settings.sources == {"server": "default", "auth": "default"}


def test_arguments_override_the_environment_and_the_environment_overrides_the_active_context(home: Path) -> None:
    write_vendor_config(home)
    expected: dict[str, list[Any]] = {
        "server": ["https://argument.example", "https://environment.example", "https://cli.example/api"],
        "organisation": [ORGANISATIONS["argument"], ORGANISATIONS["environment"], ORGANISATIONS["acme"]],
        "token": [Secret("token-of-argument"), Secret("token-of-environment"), Secret("token-of-acme")],
        "auth": ["cookie", "bearer", "auto"],
    }
    for name, values in expected.items():
        settings = resolve_settings(ARGUMENTS, ENVIRONMENT, home)
        assert (getattr(settings, name), settings.sources[name]) == (values[0], "argument")
        arguments = {key: value for key, value in ARGUMENTS.items() if key != name}
        settings = resolve_settings(arguments, ENVIRONMENT, home)
        assert (getattr(settings, name), settings.sources[name]) == (values[1], "environment")
        variables = {key: value for key, value in ENVIRONMENT.items() if key != VARIABLES[name]}
        settings = resolve_settings(arguments, variables, home)
        assert getattr(settings, name) == values[2]
        assert settings.sources[name] == ("default" if name == "auth" else "CLI context acme")


@pytest.mark.parametrize("blank", [None, "", "  ", "\n"])
def test_blank_settings_count_as_absent(home: Path, blank: str | None) -> None:
    settings = resolve_settings(dict.fromkeys(ARGUMENTS, blank), ENVIRONMENT, home)
    assert set(settings.sources.values()) == {"environment"}
    if blank is not None:
        variables = dict.fromkeys(VARIABLES.values(), blank)
        assert set(resolve_settings(ARGUMENTS, variables, home).sources.values()) == {"argument"}
        assert resolve_settings({}, variables, home).sources == {"server": "default", "auth": "default"}


def test_blanks_around_a_setting_are_ignored(home: Path) -> None:
    write_vendor_config(home)
    spaced = {name: f" {value}\n" for name, value in ARGUMENTS.items()}
    assert resolve_settings(spaced, {}, home) == resolve_settings(ARGUMENTS, {}, home)
    assert resolve_settings({"context": " acme "}, {}, home) == resolve_settings({"context": "acme"}, {}, home)


def test_the_token_can_be_given_as_a_secret(home: Path) -> None:
    assert resolve_settings({"token": Secret("abc")}, ENVIRONMENT, home).token == Secret("abc")


def test_server_organisation_and_token_of_a_named_context_override_the_environment(home: Path) -> None:
    write_vendor_config(home)
    settings = resolve_settings({"context": "other-prod"}, ENVIRONMENT, home)
    assert (settings.server, settings.organisation) == (SERVERS["production"], ORGANISATIONS["other"])
    assert settings.token == Secret("token-of-other")
    assert settings.auth == "bearer"  # from the environment, because a context has no such setting
    assert settings.sources["server"] == settings.sources["token"] == "context other-prod"


def test_an_argument_beside_a_named_context_overrides_the_context(home: Path) -> None:
    write_vendor_config(home)
    settings = resolve_settings({"context": "acme", "organisation": ORGANISATION}, ENVIRONMENT, home)
    assert settings.organisation == ORGANISATION
    assert (settings.server, settings.token) == ("https://cli.example/api", Secret("token-of-acme"))


def test_versori_context_replaces_the_active_context_and_other_variables_override_it(home: Path) -> None:
    write_vendor_config(home)
    settings = resolve_settings({}, environment(context="other-prod"), home)
    assert settings.organisation == ORGANISATIONS["other"]
    assert settings.sources["organisation"] == "CLI context other-prod"
    variables = environment(context="other-prod", organisation=ORGANISATIONS["environment"])
    settings = resolve_settings({}, variables, home)
    assert (settings.organisation, settings.token) == (ORGANISATIONS["environment"], Secret("token-of-other"))


def test_a_broken_vendor_configuration_does_not_matter_if_nothing_is_missing(home: Path) -> None:
    write_vendor_config(home, "{ this is: no yaml: at all")
    assert resolve_settings(ARGUMENTS, {}, home).server == "https://argument.example"
    assert resolve_settings({}, ENVIRONMENT, home).server == "https://environment.example"


def test_settings_come_from_the_environment_of_the_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert resolve_settings({}, home=home).server == "https://environment.example"


def test_settings_are_equal_whatever_their_source(home: Path) -> None:
    variables = {VARIABLES[name]: value for name, value in ARGUMENTS.items()}
    assert resolve_settings(ARGUMENTS, {}, home) == resolve_settings({}, variables, home)
    assert isinstance(resolve_settings(ARGUMENTS, {}, home), Settings)


# The token is never shown


def test_settings_do_not_show_the_token(home: Path) -> None:
    settings = resolve_settings(ARGUMENTS, {}, home)
    assert "token-of-argument" not in repr(settings) + str(settings) + str(dataclasses.asdict(settings))
    assert "***" in repr(settings)


def test_the_environment_does_not_show_its_values() -> None:
    variables = RedactedEnvironment(environment(token="token-of-environment"))
    assert dict(variables) == {"VERSORI_TOKEN": "token-of-environment"}
    assert len(variables) == 1
    assert (repr(variables), str(variables)) == ("environment", "environment")
    with pytest.raises(KeyError, match="VERSORI_SERVER"):
        variables["VERSORI_SERVER"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("name", ["server", "organisation", "auth", "context", "config"])
@pytest.mark.parametrize("source", ["argument", "environment"])
def test_a_token_in_the_wrong_setting_is_not_shown(home: Path, token: str, name: str, source: str) -> None:
    write_vendor_config(home)
    arguments = {"server": "production"}
    variables = {}
    if source == "argument" and name != "config":
        arguments[name] = token
    else:
        arguments.pop(name, None)
        variables = environment(**{name: token})
    with pytest.raises(SettingsError) as caught:
        resolve_settings(arguments, variables, home)
    text = text_of(caught.value)
    assert token not in text
    assert token[:12] not in text
    assert token not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("token", [b"token-of-bytes", ["token-in-a-list"], {"a": "token-in-a-dict"}])
def test_a_token_that_is_not_text_is_rejected_and_not_replaced_by_another_source(home: Path, token: object) -> None:
    arguments: dict[str, Any] = {**ARGUMENTS, "token": token}
    with pytest.raises(SettingsError, match=r"The token must be text, but its type is (bytes|list|dict)") as caught:
        resolve_settings(arguments, ENVIRONMENT, home)
    assert "token-" not in text_of(caught.value)


VERBOSE_CELLS = [
    "resolve_settings({{**ARGUMENTS, 'token': {token}}}, {{}}, home)",
    "resolve_settings({{**ARGUMENTS, 'token': {token}, 'server': 'nonsense'}}, {{}}, home)",
    "resolve_settings({{**ARGUMENTS, 'token': {token}, 'server': 5}}, {{}}, home)",
    "resolve_settings({{'server': 'nonsense'}}, {{'VERSORI_TOKEN': {token}}}, home)",
    "versori.Client('production', ORGANISATION, {token})",
    "versori.Client('production', ORGANISATION, {token}, nonsense=5)",
    "versori.Client('production', 'nonsense', {token})",
    "versori.Client('production', ORGANISATION, token={token}, auth=5)",
    "versori.Client('http://127.0.0.1:1', ORGANISATION, {token}, transport=5).delete(ORGANISATION)",
    "versori.connect(token={token})",
    "resolve_settings({{}}, {{}}, vendor_home({token}))",
]


class Vault(list[object]):
    """Takes a token out once, so that no variable of a cell contains it; its repr does not show what is in it."""

    def __repr__(self) -> str:
        return "vault"

    def take(self) -> object:
        return self.pop()


@pytest.mark.parametrize("cell", VERBOSE_CELLS)
@pytest.mark.parametrize("make_token", [str, str.encode, lambda text: [f"{text} x"]], ids=["text", "bytes", "list"])
def test_a_traceback_with_all_variables_does_not_show_the_token(
    home: Path, capsys: pytest.CaptureFixture[str], cell: str, make_token: Callable[[str], object]
) -> None:
    def vendor_home(token: object) -> Path:
        write_vendor_config(home, f"active_context: a\ncontexts: {{a: {{jwt: {json.dumps(token, default=repr)}}}}}")
        return home

    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    vault = Vault([make_token("t0ken-for-tests-only")])
    names = (versori, resolve_settings, vendor_home)
    shell.user_ns |= {"vault": vault, "home": home, "ORGANISATION": ORGANISATION}
    shell.user_ns |= {"ARGUMENTS": {"server": "production", "auth": "bearer"}}
    shell.user_ns |= {name.__name__.rpartition(".")[2]: name for name in names} | {"versori": versori}
    shell.run_line_magic("xmode", "Verbose")
    # A second error in whose context the first one is: IPython then shows the frames of both.
    shell.run_cell(f"try:\n    {cell.format(token='vault.take()')}\nexcept Exception:\n    1 / 0\n1 / 0")
    shell.restore_sys_module_state()
    shown = "".join(capsys.readouterr())
    assert "ZeroDivisionError" in shown
    assert "t0ken-for-tests-only" not in shown
    assert not vault


# Authentication schemes


@pytest.mark.parametrize("scheme", ["auto", "bearer", "jwt", "cookie", " JWT ", "Cookie"])
def test_four_authentication_schemes_are_accepted(scheme: str) -> None:
    assert parse_auth_scheme(scheme) == scheme.strip().lower()


@pytest.mark.parametrize("scheme", ["basic", "", "bearer token", "jwt2"])
def test_any_other_authentication_scheme_is_rejected_with_a_list_of_the_four(scheme: str) -> None:
    with pytest.raises(SettingsError, match="is not an authentication scheme") as caught:
        parse_auth_scheme(scheme)
    assert caught.value.hint == "Use auto, bearer, jwt, cookie."
    assert ("'basic'" in str(caught.value)) is (scheme == "basic")


# Files and folders


def test_journals_are_written_below_versori_journal_or_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    assert journal_folder(environment(journal=" /srv/journals ")) == Path("/srv/journals")
    assert journal_folder(environment(journal="~/journals")) == Path.home() / "journals"
    default = journal_folder(environment(journal=" "))
    assert default == journal_folder({})
    assert default.is_absolute()
    assert default.parts[-2:] == ("versori_magics", "runs")
    monkeypatch.setenv("VERSORI_JOURNAL", "/srv/elsewhere")
    assert journal_folder() == Path("/srv/elsewhere")


@pytest.mark.parametrize("folder", ["journals", "./journals", "../journals", "~nobody-has-this-name/journals"])
def test_a_folder_of_journals_that_is_not_absolute_is_an_error(folder: str) -> None:
    with pytest.raises(SettingsError, match="is not an absolute path") as caught:
        journal_folder(environment(journal=folder))
    assert caught.value.hint == "Set VERSORI_JOURNAL to an absolute path."


def test_a_protection_file_is_used_only_if_versori_protect_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert protection_file(environment(protect=" ~/protected.txt ")) == Path.home() / "protected.txt"
    assert protection_file({}) is None
    assert protection_file(environment(protect="  ")) is None
    monkeypatch.setenv("VERSORI_PROTECT", "/srv/protected.txt")
    assert protection_file() == Path("/srv/protected.txt")
