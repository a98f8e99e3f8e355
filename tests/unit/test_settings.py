import dataclasses
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from versori_magics.errors import SettingsError
from versori_magics.platform.auth import Secret
from versori_magics.settings import (
    SERVERS,
    VARIABLES,
    Settings,
    check_auth,
    check_ulid,
    contexts,
    is_loopback,
    resolve,
    server_url,
)

ORGS = {
    name: f"01ARZ3NDEKTSV4RRFFQ69G5FA{letter}"
    for name, letter in zip(("arg", "env", "cli", "two"), "1234", strict=True)
}
ORG = ORGS["arg"]
JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3ZlcnNvcmkuY29tL3NrL3gifQ.c2lnbmF0dXJl"
KEY = "vk_5f2a9c8e7b1d4036"
TOKENS = [JWT, KEY, "0123456789abcdef0123456789abcdef", "c2VjcmV0LXNlY3JldA==", "a/b+c/d0123456789=="]

CLI = f"""
active_context: acme
contexts:
  acme: {{name: acme, organisation_id: {ORGS["cli"]}, jwt: token-of-acme, url_overwrite: "https://cli.example/api"}}
  other-prod: {{name: other, organisation_id: {ORGS["two"]}, jwt: token-of-other, url_overwrite: ""}}
  bare: {{name: bare}}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def cli(home: Path, text: str = CLI) -> Path:
    path = home / ".versori" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def env(**given_: str) -> dict[str, str]:
    return {f"VERSORI_{name.upper()}": value for name, value in given_.items()}


ARGUMENTS = {"server": "https://arg.example", "organisation": ORGS["arg"], "token": "token-of-arg", "auth": "cookie"}
ENVIRON = env(server="https://env.example", organisation=ORGS["env"], token="token-of-env", auth="bearer")


def shown_of(error: SettingsError) -> str:
    return "\n".join([str(error), repr(error), *error.lines(), *error._render_traceback_(), str(vars(error))])


# Which wins


def test_without_anything_it_is_production_and_nobody(home: Path) -> None:
    found = resolve({}, {}, home)
    assert (found.server, found.organisation, found.token, found.auth) == (SERVERS["production"], None, None, "auto")
    assert found.sources == {"server": "default", "auth": "default"}


def test_an_argument_wins_over_the_environment_over_the_active_context_over_the_default(home: Path) -> None:
    cli(home)
    given_: dict[str, Any] = dict(ARGUMENTS)
    environ = dict(ENVIRON)
    wins = {
        "server": ["https://arg.example", "https://env.example", "https://cli.example/api"],
        "organisation": [ORGS["arg"], ORGS["env"], ORGS["cli"]],
        "token": [Secret("token-of-arg"), Secret("token-of-env"), Secret("token-of-acme")],
        "auth": ["cookie", "bearer", "auto"],
    }
    sources = ["argument", "environment", "CLI context acme"]
    for name, values in wins.items():
        found = resolve(given_, environ, home)
        assert (getattr(found, name), found.sources[name]) == (values[0], sources[0])
        less = {key: value for key, value in given_.items() if key != name}
        found = resolve(less, environ, home)
        assert (getattr(found, name), found.sources[name]) == (values[1], sources[1])
        bare = {key: value for key, value in environ.items() if key != VARIABLES[name]}
        found = resolve(less, bare, home)
        assert getattr(found, name) == values[2]
        assert found.sources[name] == ("default" if name == "auth" else sources[2])


@pytest.mark.parametrize("blank", [None, "", "  ", "\n"])
def test_a_blank_is_not_given(home: Path, blank: str | None) -> None:
    found = resolve(dict.fromkeys(ARGUMENTS, blank), ENVIRON, home)
    assert set(found.sources.values()) == {"environment"}
    if blank is not None:
        found = resolve(ARGUMENTS, dict.fromkeys(VARIABLES.values(), blank), home)
        assert set(found.sources.values()) == {"argument"}
        assert resolve({}, dict.fromkeys(VARIABLES.values(), blank), home).sources == {
            "server": "default",
            "auth": "default",
        }


def test_blanks_around_a_value_are_no_part_of_it(home: Path) -> None:
    cli(home)
    spaced = {name: f" {value}\n" for name, value in ARGUMENTS.items()}
    assert resolve(spaced, {}, home) == resolve(ARGUMENTS, {}, home)
    assert resolve({"context": " acme "}, {}, home) == resolve({"context": "acme"}, {}, home)


def test_a_secret_may_be_given_as_the_token(home: Path) -> None:
    assert resolve({"token": Secret("abc")}, ENVIRON, home).token == Secret("abc")


def test_a_context_that_is_named_counts_as_a_whole(home: Path) -> None:
    cli(home)
    found = resolve({"context": "other-prod"}, ENVIRON, home)
    assert (found.server, found.organisation) == (SERVERS["production"], ORGS["two"])
    assert found.token == Secret("token-of-other")
    assert found.auth == "bearer"  # of the environment: a context says nothing about it
    assert found.sources["server"] == found.sources["token"] == "context other-prod"


def test_an_argument_beside_a_named_context_wins_over_it(home: Path) -> None:
    cli(home)
    found = resolve({"context": "acme", "organisation": ORG}, ENVIRON, home)
    assert (found.organisation, found.server, found.token) == (ORG, "https://cli.example/api", Secret("token-of-acme"))


def test_a_context_that_the_environment_names_stands_in_for_the_active_one_and_below_the_environment(
    home: Path,
) -> None:
    cli(home)
    found = resolve({}, env(context="other-prod"), home)
    assert (found.organisation, found.sources["organisation"]) == (ORGS["two"], "CLI context other-prod")
    found = resolve({}, env(context="other-prod", organisation=ORGS["env"]), home)
    assert (found.organisation, found.token) == (ORGS["env"], Secret("token-of-other"))


def test_when_everything_is_given_the_clis_file_is_not_even_read(home: Path) -> None:
    cli(home, "{ this is: no yaml: at all")
    assert resolve(ARGUMENTS, {}, home).server == "https://arg.example"
    assert resolve({}, ENVIRON, home).server == "https://env.example"


def test_the_environment_of_the_process_is_the_default(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert resolve({}, home=home).server == "https://env.example"


def test_settings_never_show_the_token(home: Path) -> None:
    found = resolve(ARGUMENTS, {}, home)
    assert "token-of-arg" not in repr(found) + str(found) + str(dataclasses.asdict(found))
    assert "***" in repr(found)


def test_settings_from_elsewhere_that_are_the_same_are_equal(home: Path) -> None:
    assert resolve(ARGUMENTS, {}, home) == resolve({}, {VARIABLES[n]: v for n, v in ARGUMENTS.items()}, home)
    assert isinstance(resolve(ARGUMENTS, {}, home), Settings)


# The CLI's file


def test_an_empty_url_means_production(home: Path) -> None:
    for url in ('""', "null", "'  '"):
        cli(home, f"active_context: a\ncontexts: {{a: {{organisation_id: {ORG}, jwt: t, url_overwrite: {url}}}}}")
        assert resolve({}, {}, home).server == SERVERS["production"]
        assert resolve({}, {}, home).sources["server"] == "CLI context a"


def test_a_context_without_anything_gives_production_and_nobody(home: Path) -> None:
    cli(home)
    found = resolve({"context": "bare"}, {}, home)
    assert (found.server, found.organisation, found.token) == (SERVERS["production"], None, None)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "active_context:\ncontexts:\n", "contexts: {a: {jwt: t}}", "active_context: ''"]
)
def test_a_file_without_an_active_context_gives_nothing(home: Path, text: str) -> None:
    cli(home, text)
    assert resolve({}, {}, home).token is None


def test_a_file_that_a_variable_names_is_read_instead(home: Path, tmp_path: Path) -> None:
    cli(home, "contexts: 5")
    other = tmp_path / "other.yaml"
    other.write_text(CLI, encoding="utf-8")
    assert resolve({}, env(config=f" {other} "), home).organisation == ORGS["cli"]
    assert contexts(env(config=str(other)), home) == ["acme", "other-prod", "bare"]


def test_a_missing_file_is_fine_unless_a_variable_names_it(home: Path) -> None:
    assert resolve({}, {}, home).token is None
    with pytest.raises(SettingsError, match=r"gone\.yaml does not exist") as caught:
        resolve({}, env(config=str(home / "gone.yaml")), home)
    assert "VERSORI_CONFIG" in caught.value.hint


def test_a_context_that_is_named_needs_the_file(home: Path) -> None:
    with pytest.raises(SettingsError, match="no context 'acme'") as caught:
        resolve({"context": "acme"}, {}, home)
    assert caught.value.hint == "There are: none."


@pytest.mark.parametrize(
    ("name", "hint"),
    [("acmee", "Did you mean 'acme'?"), ("other-prd", "Did you mean 'other-prod'?"), ("zzz", "acme, other-prod, bare")],
)
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_context_that_does_not_exist_is_an_error_that_names_those_that_do(
    home: Path, name: str, hint: str, where: str
) -> None:
    cli(home)
    with pytest.raises(SettingsError, match=f"no context '{name}'") as caught:
        resolve({"context": name}, {}, home) if where == "argument" else resolve({}, env(context=name), home)
    assert hint in caught.value.hint


def test_an_active_context_that_does_not_exist_is_an_error(home: Path) -> None:
    cli(home, "active_context: gone\ncontexts: {}")
    with pytest.raises(SettingsError, match="no context 'gone'"):
        resolve({}, {}, home)


@pytest.mark.parametrize(
    "text",
    [
        f"contexts: {{acme: {{jwt: {JWT}",
        f"\tjwt: {JWT}",
        f"jwt: '{JWT}",
        f"{JWT}: : {JWT}",
        f"jwt: *{KEY}",
        f"jwt: !!python/object:{KEY} x",
        f"a: &a [*a, {JWT}",
        f"jwt: {JWT}\n  deeper: {JWT}",
        f"date: 2024-13-45\njwt: {JWT}",
        f"jwt: \x00{JWT}",
    ],
)
def test_a_file_that_is_no_yaml_is_named_and_not_a_word_of_it_is_shown(home: Path, text: str) -> None:
    path = cli(home, text)
    with pytest.raises(SettingsError, match="is no YAML") as caught:
        resolve({}, {}, home)
    shown = shown_of(caught.value)
    assert str(path) in shown
    assert "VERSORI_TOKEN" in caught.value.hint
    assert KEY not in shown
    assert JWT[:10] not in shown
    assert caught.value.__context__ is None
    assert JWT not in "".join(traceback.format_exception(caught.value))


def test_the_line_where_the_yaml_breaks_is_told(home: Path) -> None:
    cli(home, "a: 1\nb: 2\nc: 'open\n")
    with pytest.raises(SettingsError, match=r"is no YAML \(line \d\)"):
        resolve({}, {}, home)


def test_a_file_that_is_not_utf_8_is_an_error_of_ours(home: Path) -> None:
    path = cli(home)
    path.write_bytes(b"jwt: \xff\xfe" + KEY.encode())
    with pytest.raises(SettingsError, match="is no YAML") as caught:
        resolve({}, {}, home)
    assert KEY not in shown_of(caught.value)


def test_a_folder_in_its_place_is_an_error_of_ours(home: Path) -> None:
    (home / ".versori" / "config.yaml").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"cannot be read \("):
        resolve({}, {}, home)


@pytest.mark.parametrize("path", ["~nobody-of-that-name/config.yaml", "a\0b.yaml", "x" * 300 + "/config.yaml"])
def test_a_path_that_cannot_be_is_an_error_of_ours(home: Path, path: str) -> None:
    with pytest.raises(SettingsError):
        resolve({}, env(config=path), home)
    assert contexts(env(config=path), home) == []


@pytest.mark.parametrize("text", [f"- {KEY}", KEY, "5", "2024-01-01", f"'{KEY}'"])
def test_a_file_that_is_no_mapping_is_an_error_without_its_content(home: Path, text: str) -> None:
    cli(home, text)
    with pytest.raises(SettingsError, match="is not a mapping") as caught:
        resolve({}, {}, home)
    assert KEY not in shown_of(caught.value)


@pytest.mark.parametrize("text", ["active_context: 5", "active_context: [a]", "contexts: [a]", "contexts: text"])
def test_a_file_of_another_shape_is_an_error(home: Path, text: str) -> None:
    cli(home, text)
    with pytest.raises(SettingsError, match="no usable active_context and contexts"):
        resolve({}, {}, home)


@pytest.mark.parametrize("entry", ["text", "5", "[a]", "null"])
def test_a_context_that_is_no_mapping_is_an_error(home: Path, entry: str) -> None:
    cli(home, f"active_context: acme\ncontexts: {{acme: {entry}}}")
    with pytest.raises(SettingsError, match="'acme' is not a mapping"):
        resolve({}, {}, home)


@pytest.mark.parametrize("key", ["jwt", "organisation_id", "url_overwrite"])
@pytest.mark.parametrize("value", ["5551234", "[5551234]", "{x: 5551234}", "5551234.5"])
def test_a_value_that_is_no_text_is_an_error_that_does_not_show_it(home: Path, key: str, value: str) -> None:
    cli(home, f"active_context: acme\ncontexts: {{acme: {{{key}: {value}}}}}")
    with pytest.raises(SettingsError, match=f"'acme', {key} is not text") as caught:
        resolve({}, {}, home)
    assert "5551234" not in shown_of(caught.value)
    assert "quotes" in caught.value.hint


def test_the_contexts_are_listed_and_a_broken_file_lists_none(home: Path) -> None:
    assert contexts({}, home) == []
    cli(home)
    assert contexts({}, home) == ["acme", "other-prod", "bare"]
    cli(home, "contexts: {5: {}, true: {}}")
    assert contexts({}, home) == ["5", "True"]
    cli(home, "{")
    assert contexts({}, home) == []


# Servers


@pytest.mark.parametrize(
    ("given_as", "url"),
    [
        ("production", "https://platform.versori.com/api/v2"),
        ("Staging", "https://platform-staging.versori.com/api/v2"),
        (" development\n", "http://localhost:8901"),
        ("https://host.example", "https://host.example"),
        ("https://host.example/", "https://host.example"),
        ("https://host.example:8443/api/v2//", "https://host.example:8443/api/v2"),
        ("HTTPS://Host.Example/API", "https://Host.Example/API"),
        ("http://localhost:8901/x", "http://localhost:8901/x"),
        ("http://LOCALHOST:1", "http://LOCALHOST:1"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.8.9.1:80", "http://127.8.9.1:80"),
        ("http://[::1]:8901", "http://[::1]:8901"),
        ("http://[0:0:0:0:0:0:0:1]", "http://[0:0:0:0:0:0:0:1]"),
    ],
)
def test_a_server_is_given_by_name_or_by_url(given_as: str, url: str) -> None:
    assert server_url(given_as) == url
    assert server_url(url) == url


@pytest.mark.parametrize(
    "host",
    [
        "platform.example",
        "localhost.evil.com",
        "localhost.",
        "evil-localhost",
        "127.0.0.1.nip.io",
        "127.0.0.1.evil.com",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "0.0.0.0",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
        "10.0.0.1",
        "192.168.0.1",
        "localtest.me",
        "localhost\\.evil.com",
        "%6cocalhost",
        "\uff11\uff12\uff17.0.0.1",
        "\uff4cocalhost.evil.com",
    ],
)
def test_plain_http_to_another_machine_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"plain http|no server") as caught:
        server_url(f"http://{host}/api")
    assert "https" in caught.value.hint
    if not host.startswith("["):
        assert server_url(f"https://{host}/api").startswith("https://")


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("126.255.255.255", False),
        ("::2", False),
        ("", False),
        ("localhost ", False),
    ],
)
def test_this_machine_is_localhost_and_loopback_addresses_only(host: str, here: bool) -> None:
    assert is_loopback(host) is here


@pytest.mark.parametrize(
    "server",
    [
        "https://user:pass1234@host.example",
        "https://pass1234@host.example",
        "https://:pass1234@host.example",
        "http://pass1234@localhost",
        "http://localhost:80@evil.com",
        "http://localhost\\@evil.com",
        "https://@host.example",
        "https://user:pass1234@host.example/?x=1",
        "https://user:pa#ss1234@host.example/",
        "https://user:pa?ss1234@host.example/",
        "https://user:pa/ss1234@host.example/",
    ],
)
def test_credentials_in_the_url_are_refused_and_not_shown(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        server_url(server)
    shown = shown_of(caught.value)
    for part in ("pass1234", "ss1234", "user:"):
        assert part not in shown


@pytest.mark.parametrize(
    "server",
    [
        "https://host.example/?token=pass1234",
        "https://host.example?pass1234",
        "https://host.example/#pass1234",
        "https://host.example/?a=b@pass1234",
        "ftp://host.example/?token=pass1234",
        "https://?token=pass1234",
        "http://10.0.0.1/?token=pass1234",
        "https://host.example:99999/?token=pass1234",
    ],
)
def test_a_query_or_a_fragment_is_refused_and_not_shown(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        server_url(server)
    assert "pass1234" not in shown_of(caught.value)


@pytest.mark.parametrize(
    "server",
    [
        "",
        "   ",
        "nowhere",
        "prod",
        "host.example",
        "//host.example",
        "/api/v2",
        "ftp://host.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///api",
        "https://[::1",
        "https://host.example:port",
        "https://host.example:99999",
        "http//localhost",
        "https://host example",
        "https://host.example/a b",
        "https://host.example/\n/x",
        "https://host.example/\x00",
        "https://host.example/\u202e",
    ],
)
def test_what_is_no_server_is_refused(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        server_url(server)
    assert str(caught.value).replace("\n", "").isprintable()


def test_a_slip_in_a_name_is_shown() -> None:
    with pytest.raises(SettingsError, match=r"'stagging' is no server\.") as caught:
        server_url("stagging")
    assert "production, staging, development" in caught.value.hint


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z@:/?#.\[\]0-9%\\]{0,20}", fullmatch=True))
@settings(deadline=None)
def test_every_text_is_a_server_that_stays_the_same_or_a_refusal(text: str) -> None:
    try:
        found = server_url(text)
    except SettingsError as error:
        assert len(error.lines()) <= 3  # noqa: PT017 - both ends are right
        return
    assert server_url(found) == found
    assert found.startswith(("https://", "http://localhost", "http://LOCALHOST", "http://127.", "http://[")) or (
        found.lower().startswith("http://localhost")
    )
    assert not found.endswith("/")
    assert not set(found) & set("@?#\n ")


# Values that may be the token are not shown


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("name", ["server", "organisation", "auth", "context", "config"])
@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_token_that_is_set_in_the_wrong_place_is_not_shown(home: Path, token: str, name: str, where: str) -> None:
    cli(home)
    given_: dict[str, Any] = {"server": "production"}
    if where == "argument" and name != "config":
        given_[name] = token
        environ = {}
    else:
        given_.pop(name, None)
        environ = env(**{name: token})
    with pytest.raises(SettingsError) as caught:
        resolve(given_, environ, home)
    shown = shown_of(caught.value)
    assert token not in shown
    assert token[:12] not in shown
    assert token not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("bad", ["", "no", f"{ORG}x", ORG[:-1] + "U", f"{ORG} {ORG}", "\uff18" * 26])
def test_what_is_no_ulid_is_refused_by_its_length(bad: str) -> None:
    with pytest.raises(SettingsError, match=rf"The organisation \({len(bad)} characters\) is no ULID"):
        check_ulid(bad, "organisation")


def test_a_ulid_is_taken_in_any_case() -> None:
    assert check_ulid(f" {ORG.lower()}\n", "organisation") == ORG


@pytest.mark.parametrize("kind", ["auto", "bearer", "jwt", "cookie", " JWT ", "Cookie"])
def test_the_four_kinds_of_authentication_are_taken(kind: str) -> None:
    assert check_auth(kind) == kind.strip().lower()


@pytest.mark.parametrize("kind", ["basic", "", "bearer token", "jwt2"])
def test_another_kind_is_refused_and_the_four_are_named(kind: str) -> None:
    with pytest.raises(SettingsError, match="no kind of authentication") as caught:
        check_auth(kind)
    assert caught.value.hint == "Use auto, bearer, jwt, cookie."
    assert ("'basic'" in str(caught.value)) is (kind == "basic")


def test_the_home_folder_is_where_the_cli_is_looked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli(home)
    monkeypatch.setattr(Path, "home", lambda: home)
    assert resolve({}, {}).organisation == ORGS["cli"]
    assert contexts({}) == ["acme", "other-prod", "bare"]


def test_without_a_home_folder_there_is_no_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert resolve({}, {}).token is None
