import traceback
from pathlib import Path

import pytest
from support.settings_examples import (
    API_KEY,
    JWT,
    ORGANISATION,
    ORGANISATIONS,
    VENDOR_CONFIG,
    environment,
    text_of,
    write_vendor_config,
)

from versori_magics import settings
from versori_magics.api.auth import Secret
from versori_magics.api.servers import SERVERS
from versori_magics.errors import SettingsError
from versori_magics.settings import resolve_settings
from versori_magics.vendor_cli import Context, context_names, read_context


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


# Contexts


def test_the_active_context_or_a_named_one_is_read(home: Path) -> None:
    write_vendor_config(home)
    acme = Context("acme", "https://cli.example/api", ORGANISATIONS["acme"], Secret("token-of-acme"))
    assert read_context(None, {}, home) == read_context("acme", {}, home) == acme
    assert read_context("bare", {}, home) == Context("bare", "production", None, None)


def test_a_context_without_a_url_means_production(home: Path) -> None:
    for url in ('""', "null", "'  '"):
        write_vendor_config(
            home,
            f"active_context: a\ncontexts: {{a: {{organisation_id: {ORGANISATION}, jwt: t, url_overwrite: {url}}}}}",
        )
        assert resolve_settings({}, {}, home).server == SERVERS["production"]
        assert resolve_settings({}, {}, home).sources["server"] == "CLI context a"


def test_an_empty_context_leaves_organisation_and_token_unset(home: Path) -> None:
    write_vendor_config(home)
    found = resolve_settings({"context": "bare"}, {}, home)
    assert (found.server, found.organisation, found.token) == (SERVERS["production"], None, None)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "active_context:\ncontexts:\n", "contexts: {a: {jwt: t}}", "active_context: ''"]
)
def test_without_an_active_context_no_token_is_read(home: Path, text: str) -> None:
    write_vendor_config(home, text)
    assert resolve_settings({}, {}, home).token is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [("acmee", "Did you mean acme?"), ("other-prd", "Did you mean other-prod?"), ("zzz", "acme, other-prod, bare")],
)
@pytest.mark.parametrize("source", ["argument", "environment"])
def test_an_unknown_context_is_an_error_that_suggests_or_lists_contexts(
    home: Path, name: str, hint: str, source: str
) -> None:
    write_vendor_config(home)
    arguments, variables = ({"context": name}, {}) if source == "argument" else ({}, environment(context=name))
    with pytest.raises(SettingsError, match=f"no context '{name}'") as caught:
        resolve_settings(arguments, variables, home)
    assert hint in caught.value.hint


def test_an_active_context_that_does_not_exist_is_an_error(home: Path) -> None:
    write_vendor_config(home, "active_context: gone\ncontexts: {}")
    with pytest.raises(SettingsError, match="no context 'gone'"):
        resolve_settings({}, {}, home)


def test_a_named_context_without_a_configuration_file_is_an_error(home: Path) -> None:
    with pytest.raises(SettingsError, match="no context 'acme'") as caught:
        resolve_settings({"context": "acme"}, {}, home)
    assert caught.value.hint == "Its contexts: none."


@pytest.mark.parametrize("entry", ["text", "5", "[a]", "null"])
def test_a_context_that_is_not_a_mapping_is_an_error(home: Path, entry: str) -> None:
    write_vendor_config(home, f"active_context: acme\ncontexts: {{acme: {entry}}}")
    with pytest.raises(SettingsError, match="The context 'acme' of the Versori command line is not a mapping"):
        resolve_settings({}, {}, home)


@pytest.mark.parametrize("key", ["jwt", "organisation_id", "url_overwrite"])
@pytest.mark.parametrize("value", ["5551234", "[5551234]", "{x: 5551234}", "5551234.5"])
def test_a_value_of_a_context_that_is_not_text_is_rejected_without_showing_it(home: Path, key: str, value: str) -> None:
    write_vendor_config(home, f"active_context: acme\ncontexts: {{acme: {{{key}: {value}}}}}")
    with pytest.raises(SettingsError, match=f"The context 'acme' .* has a {key} that is not text") as caught:
        resolve_settings({}, {}, home)
    assert "5551234" not in text_of(caught.value)
    assert "quotes" in caught.value.hint


def test_context_names_are_empty_if_the_file_is_missing_or_broken(home: Path) -> None:
    for names in (context_names, settings.context_names):
        (home / ".versori" / "config.yaml").unlink(missing_ok=True)
        assert names({}, home) == []
        write_vendor_config(home)
        assert names({}, home) == ["acme", "other-prod", "bare"]
        write_vendor_config(home, "contexts: {5: {}, true: {}}")
        assert names({}, home) == ["5", "True"]
        write_vendor_config(home, "{")
        assert names({}, home) == []


# The configuration file


def test_the_configuration_is_read_from_the_home_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_vendor_config(home)
    monkeypatch.setattr(Path, "home", lambda: home)
    assert resolve_settings({}, {}).organisation == ORGANISATIONS["acme"]
    assert settings.context_names({}) == ["acme", "other-prod", "bare"]


def test_a_user_without_a_home_folder_has_no_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert resolve_settings({}, {}).token is None


def test_the_file_that_versori_config_names_is_read_instead(home: Path, tmp_path: Path) -> None:
    write_vendor_config(home, "contexts: 5")
    other = tmp_path / "other.yaml"
    other.write_text(VENDOR_CONFIG, encoding="utf-8")
    assert resolve_settings({}, environment(config=f" {other} "), home).organisation == ORGANISATIONS["acme"]
    assert context_names(environment(config=str(other)), home) == ["acme", "other-prod", "bare"]


def test_a_missing_file_is_an_error_only_if_versori_config_names_it(home: Path) -> None:
    assert resolve_settings({}, {}, home).token is None
    with pytest.raises(SettingsError, match=r"gone\.yaml does not exist") as caught:
        resolve_settings({}, environment(config=str(home / "gone.yaml")), home)
    assert "VERSORI_CONFIG" in caught.value.hint


@pytest.mark.parametrize("path", ["~nobody-of-that-name/config.yaml", "a\0b.yaml", "x" * 300 + "/config.yaml"])
def test_an_impossible_path_is_a_settings_error(home: Path, path: str) -> None:
    with pytest.raises(SettingsError):
        resolve_settings({}, environment(config=path), home)
    assert context_names(environment(config=path), home) == []


@pytest.mark.parametrize(
    "text",
    [
        f"contexts: {{acme: {{jwt: {JWT}",
        f"\tjwt: {JWT}",
        f"jwt: '{JWT}",
        f"{JWT}: : {JWT}",
        f"jwt: *{API_KEY}",
        f"jwt: !!python/object:{API_KEY} x",
        f"a: &a [*a, {JWT}",
        f"a: &a {{jwt: {JWT}, again: *a}}",
        f"jwt: {JWT}\n  deeper: {JWT}",
        f"date: 2024-13-45\njwt: {JWT}",
        f"jwt: \x00{JWT}",
    ],
)
def test_invalid_yaml_is_rejected_without_quoting_the_file(home: Path, text: str) -> None:
    path = write_vendor_config(home, text)
    with pytest.raises(SettingsError, match="is not valid YAML") as caught:
        resolve_settings({}, {}, home)
    shown = text_of(caught.value)
    assert str(path) in shown
    assert "VERSORI_TOKEN" in caught.value.hint
    assert API_KEY not in shown
    assert JWT[:10] not in shown
    assert caught.value.__context__ is None
    assert JWT not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "text", [f"contexts: {{acme: {{jwt: {JWT}", f"jwt: '{JWT}", JWT, f"active_context: [a]\njwt: {JWT}"]
)
def test_a_traceback_with_local_variables_does_not_show_the_files_content(home: Path, text: str) -> None:
    write_vendor_config(home, text)
    with pytest.raises(SettingsError) as caught:
        resolve_settings({}, {}, home)
    frames = [
        frame for frame in traceback.walk_tb(caught.value.__traceback__) if frame[0].f_code.co_filename != __file__
    ]
    assert len(frames) >= 3
    for frame, _ in frames:
        assert JWT[:10] not in repr(frame.f_locals)


def test_the_line_of_a_yaml_error_is_named(home: Path) -> None:
    write_vendor_config(home, "a: 1\nb: 2\nc: 'open\n")
    with pytest.raises(SettingsError, match=r"is not valid YAML \(line \d\)"):
        resolve_settings({}, {}, home)


def test_a_file_that_is_not_utf_8_is_rejected_without_quoting_it(home: Path) -> None:
    path = write_vendor_config(home)
    path.write_bytes(b"jwt: \xff\xfe" + API_KEY.encode())
    with pytest.raises(SettingsError, match="is not valid YAML") as caught:
        resolve_settings({}, {}, home)
    assert API_KEY not in text_of(caught.value)


def test_a_folder_in_place_of_the_file_is_an_error(home: Path) -> None:
    (home / ".versori" / "config.yaml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot be read \("):
        resolve_settings({}, {}, home)


@pytest.mark.parametrize("text", [f"- {API_KEY}", API_KEY, "5", "2024-01-01", f"'{API_KEY}'"])
def test_a_file_that_is_not_a_mapping_is_rejected_without_quoting_it(home: Path, text: str) -> None:
    write_vendor_config(home, text)
    with pytest.raises(SettingsError, match="is not a mapping") as caught:
        resolve_settings({}, {}, home)
    assert API_KEY not in text_of(caught.value)


@pytest.mark.parametrize("text", ["active_context: 5", "active_context: [a]", "contexts: [a]", "contexts: text"])
def test_a_file_with_another_structure_is_an_error(home: Path, text: str) -> None:
    write_vendor_config(home, text)
    with pytest.raises(SettingsError, match="no usable active_context and contexts"):
        resolve_settings({}, {}, home)
