import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.settings_examples import text_of

from versori_magics.api.servers import is_loopback, parse_server
from versori_magics.errors import SettingsError


@pytest.mark.parametrize(
    ("server", "url"),
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
def test_server_can_be_given_by_name_or_by_url(server: str, url: str) -> None:
    assert parse_server(server) == url
    assert parse_server(url) == url


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
def test_plain_http_to_another_machine_is_rejected(host: str) -> None:
    with pytest.raises(SettingsError, match=r"plain http|is not a server") as caught:
        parse_server(f"http://{host}/api")
    assert "https" in caught.value.hint
    if not host.startswith("["):
        assert parse_server(f"https://{host}/api").startswith("https://")


@pytest.mark.parametrize(
    ("host", "is_this_machine"),
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
def test_only_localhost_and_loopback_addresses_are_this_machine(host: str, is_this_machine: bool) -> None:
    assert is_loopback(host) is is_this_machine


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
def test_url_with_credentials_is_rejected_without_showing_them(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_server(server)
    text = text_of(caught.value)
    for part in ("pass1234", "ss1234", "user:"):
        assert part not in text


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
def test_url_with_a_query_or_a_fragment_is_rejected_without_showing_it(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_server(server)
    assert "pass1234" not in text_of(caught.value)


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
def test_value_that_is_not_a_server_is_rejected_in_printable_text(server: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_server(server)
    assert str(caught.value).replace("\n", "").isprintable()


def test_misspelt_server_name_is_quoted_with_the_known_names() -> None:
    with pytest.raises(SettingsError, match=r"'stagging' is not a server\.") as caught:
        parse_server("stagging")
    assert "production, staging, development" in caught.value.hint


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z@:/?#.\[\]0-9%\\]{0,20}", fullmatch=True))
@settings(deadline=None)
def test_every_text_is_rejected_or_becomes_a_url_that_stays_the_same(text: str) -> None:
    try:
        url = parse_server(text)
    except SettingsError as error:
        assert len(error.lines()) <= 3  # noqa: PT017 - both outcomes are right
        return
    assert parse_server(url) == url
    assert url.startswith(("https://", "http://localhost", "http://LOCALHOST", "http://127.", "http://[")) or (
        url.lower().startswith("http://localhost")
    )
    assert not url.endswith("/")
    assert not set(url) & set("@?#\n ")
