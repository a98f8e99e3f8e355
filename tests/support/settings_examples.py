"""Settings from every source, tokens in every format, and the text that an error shows of them."""

from pathlib import Path

from versori_magics.errors import VersoriError

ORGANISATIONS = {
    name: f"01ARZ3NDEKTSV4RRFFQ69G5FA{letter}"
    for name, letter in zip(("argument", "environment", "acme", "other"), "1234", strict=True)
}
ORGANISATION = ORGANISATIONS["argument"]
JWT = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL3ZlcnNvcmkuY29tL3NrL3gifQ.c2lnbmF0dXJl"
API_KEY = "vk_5f2a9c8e7b1d4036"
TOKENS = [JWT, API_KEY, "0123456789abcdef0123456789abcdef", "c2VjcmV0LXNlY3JldA==", "a/b+c/d0123456789=="]

VENDOR_CONFIG = f"""
active_context: acme
contexts:
  acme:
    name: acme
    organisation_id: {ORGANISATIONS["acme"]}
    jwt: token-of-acme
    url_overwrite: "https://cli.example/api"
  other-prod: {{name: other, organisation_id: {ORGANISATIONS["other"]}, jwt: token-of-other, url_overwrite: ""}}
  bare: {{name: bare}}
"""
ARGUMENTS = {
    "server": "https://argument.example",
    "organisation": ORGANISATIONS["argument"],
    "token": "token-of-argument",
    "auth": "cookie",
}


def environment(**values: str) -> dict[str, str]:
    """Return environment variables: ``server="x"`` is VERSORI_SERVER."""
    return {f"VERSORI_{name.upper()}": value for name, value in values.items()}


ENVIRONMENT = environment(
    server="https://environment.example",
    organisation=ORGANISATIONS["environment"],
    token="token-of-environment",
    auth="bearer",
)


def write_vendor_config(home: Path, text: str = VENDOR_CONFIG) -> Path:
    """Write the vendor CLI's configuration below a home folder."""
    path = home / ".versori" / "config.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def text_of(error: VersoriError) -> str:
    """Return everything that an error shows or holds."""
    return "\n".join([str(error), repr(error), *error.lines(), *error._render_traceback_(), str(vars(error))])
