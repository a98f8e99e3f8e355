"""Encodes auth schemes and credentials, whose shape depends on their type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from versori_magics.emulator.models import AuthScheme, Credential

REDACTED = "***"
ZERO_ULID = "0" * 26
ZERO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time
CLIENT_ID = "sandbox-client"
TOKEN_URL = "https://auth.example.com/token"  # noqa: S105 - an address, not a token
SCOPES = ["read", "write"]

# Auth scheme type -> name of its member of an AuthSchemeConfig, and the fields of that type.
# There are no members for jwt-bearer and secret.
AUTH_SCHEME_MEMBERS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("none", {}),
    "api-key": ("apiKey", {"name": "X-API-Key", "in": "header"}),
    "basic-auth": ("basicAuth", {}),
    "oauth2": (
        "oauth2",
        {
            "authorizeUrl": "https://auth.example.com/authorize",
            "tokenUrl": TOKEN_URL,
            "scopes": [{"name": scope} for scope in SCOPES],
            "defaultScopes": SCOPES[:1],
        },
    ),
    "hmac": (
        "hmac",
        {"name": "X-Signature", "in": "header", "algorithm": "sha256", "digestInputs": ["body"], "encoding": "hex"},
    ),
    "certificate": ("certificate", {}),
    "oauth1": (
        "oauth1",
        {"tokenAuth": True, "consumerKey": CLIENT_ID, "consumerSecret": REDACTED, "signatureMethod": "sha256"},
    ),
}

# Credential type -> the object `data`. Secrets are redacted; user names, client ids, URLs and scopes are not.
CREDENTIAL_DATA: dict[str, dict[str, Any]] = {
    "none": {"none": {}},
    "string": {"string": {"value": REDACTED}},
    "binary": {"binary": {"valueBase64": REDACTED}},
    "basic-auth": {"basicAuth": {"username": "integration", "password": REDACTED}},
    "oauth2-client": {
        "oauth2Client": {
            "clientId": CLIENT_ID,
            "clientSecret": REDACTED,
            "tokenUrl": TOKEN_URL,
            "scopes": SCOPES,
        }
    },
    "oauth2-password": {"oauth2Password": {"username": "integration", "password": REDACTED}},
    "oauth2-token": {
        "oauth2Token": {
            "scopes": SCOPES,
            "accessToken": REDACTED,
            "refreshToken": REDACTED,
            "tokenType": "Bearer",
        }
    },
    "certificate": {"certificate": {"certificate": REDACTED, "key": REDACTED, "ca": REDACTED}},
    "oauth1": {"oauth1": {"state": REDACTED, "oauthToken": REDACTED, "oauthVerifier": REDACTED}},
    "oauth1-token": {"oauth1Token": {"token": REDACTED, "tokenSecret": REDACTED}},
}


class CredentialEncoder:
    """Encodes auth schemes and credentials as JSON objects.

    Parameters
    ----------
    organisation_id : str
        The id of the organisation, which is part of every credential.
    go_encoding : bool
        Encode as the vendor's Go types do; see `Behaviour`.
    """

    def __init__(self, organisation_id: str, *, go_encoding: bool) -> None:
        self._organisation_id = organisation_id
        self._go_encoding = go_encoding

    def connection_credential(self, credential: Credential) -> dict[str, Any]:
        """Return a ConnectionCredential: a credential and the auth scheme that it is for."""
        return {
            "id": credential.id,
            "authSchemeConfig": self.auth_scheme_config(credential.auth_scheme),
            "credential": self._credential(credential),
        }

    def auth_scheme_config(self, auth_scheme: AuthScheme) -> dict[str, Any]:
        """Return an AuthSchemeConfig."""
        if auth_scheme.type not in AUTH_SCHEME_MEMBERS:
            return {"type": auth_scheme.type}
        name, fields = AUTH_SCHEME_MEMBERS[auth_scheme.type]
        member = {"id": auth_scheme.id, "description": f"{auth_scheme.type} of the sandbox", **fields}
        if auth_scheme.type == "oauth2":
            member["grant"] = {"type": "authorizationCode", "authorizationCode": self._authorization_code()}
        return {"type": auth_scheme.type, name: member}

    def _authorization_code(self) -> dict[str, str]:
        if self._go_encoding:
            return {"credentialId": ZERO_ULID, "organisationId": ZERO_ULID, "clientId": CLIENT_ID}
        return {"clientId": CLIENT_ID, "grantType": "authorizationCode"}

    def _credential(self, credential: Credential) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "id": credential.id,
            "organisationId": self._organisation_id,
            "type": credential.type,
            "name": credential.name,
            "data": CREDENTIAL_DATA[credential.type],
        }
        if credential.errors or (credential.errors is not None and not self._go_encoding):
            fields["errors"] = list(credential.errors)
        if credential.type == "oauth2-token":
            fields["data"] = self._token(credential.expires_at)
        elif credential.expires_at is not None:
            fields["expiresAt"] = credential.expires_at
        return fields

    def _token(self, expires_at: str | None) -> dict[str, Any]:
        token = CREDENTIAL_DATA["oauth2-token"]["oauth2Token"]
        if expires_at is None and self._go_encoding:
            expires_at = ZERO_TIME
        return {"oauth2Token": token if expires_at is None else {**token, "expiresAt": expires_at}}
