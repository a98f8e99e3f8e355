"""The platform's responses as frozen structs, reduced to the fields that this package needs.

They are tolerant on purpose: an optional field may be missing or null, and unknown fields are ignored. What the
platform may write in several ways is read here, once: a ULID is in upper case, the zero ULID of an optional id is None,
and a list that is null is None, which is an empty list. Where it matters, a list that is missing is UNSET instead. Of a
credential's `data`, only the time at which its token expires is decoded; the rest is dropped at once.
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast

import msgspec

from versori_magics.api.ids import canonical_ulid
from versori_magics.errors import FieldError

T = TypeVar("T")

# Go writes its zero time if there is no time; this string sorts after every spelling of it.
ZERO_DAY = "0001-01-01Z"
_ZERO_ULID = "0" * 26  # Go writes it for an optional id that is not set


class _Model(msgspec.Struct, frozen=True, rename="camel", gc=False):
    pass


def _normalise_ids(model: _Model, *fields: str) -> None:
    """Write the ULIDs of a new struct in upper case; an id that is not a ULID stays as it is."""
    for field in fields:
        text: str | None = getattr(model, field)
        # Text in upper case is canonical or not a ULID. This check is the fastest, and a list has many ids.
        if text is not None and not text.isupper():
            msgspec.structs.force_setattr(model, field, canonical_ulid(text) or text)


def _drop_zero_ids(model: _Model, *fields: str) -> None:
    for field in fields:
        if getattr(model, field) == _ZERO_ULID:
            msgspec.structs.force_setattr(model, field, None)


class AuthSchemeConfig(_Model, frozen=True):
    """How a system authenticates its callers. The platform may add values of `type`."""

    type: str | None = None


class _OAuth2Token(_Model, frozen=True):
    expires_at: str | None = None


class _CredentialData(_Model, frozen=True):
    oauth2_token: _OAuth2Token | None = None


_credential_data = msgspec.json.Decoder(_CredentialData)


class CredentialStatus(_Model, frozen=True):
    """A credential without its data.

    Parameters
    ----------
    type : str or None
        The platform may add values.
    errors : tuple or None
        None and empty are the same: no error is known.
    expires_at : str or None
        When its token expires, or else when the credential is to be removed.
    data : UNSET
        Dropped as soon as the expiry has been read from it.
    """

    type: str | None = None
    errors: tuple[object, ...] | None = None
    expires_at: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.data is not msgspec.UNSET:
            expiry = _token_expiry(self.data)
            msgspec.structs.force_setattr(self, "data", msgspec.UNSET)
            msgspec.structs.force_setattr(self, "expires_at", expiry or self.expires_at)


def _token_expiry(data: msgspec.Raw) -> str | None:
    """Return when the token in a credential's data expires; None if the data do not say so."""
    if b"oauth2Token" not in bytes(data):  # much faster than to decode the data, which most rows need not
        return None
    try:
        token = _credential_data.decode(data).oauth2_token
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # not `catch`: the error would keep the data
        return None
    return token.expires_at if token and token.expires_at and token.expires_at > ZERO_DAY else None


class Credential(_Model, frozen=True):
    """One of a connection's credentials."""

    auth_scheme_config: AuthSchemeConfig | None = None
    credential: CredentialStatus | None = None


class Connection(_Model, frozen=True):
    """A connection. Neither its usage nor whether it is static or dynamic is part of the response."""

    id: str
    name: str | None = None
    base_url: str | None = None
    system_id: str | None = None
    connection_template_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    credentials: tuple[Credential | None, ...] | None = None

    def __post_init__(self) -> None:
        _normalise_ids(self, "id", "system_id", "connection_template_id")
        _drop_zero_ids(self, "system_id", "connection_template_id")


class System(_Model, frozen=True):
    """An external API that connections connect to."""

    id: str
    name: str | None = None
    domain: str | None = None

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")


class EndUser(_Model, frozen=True):
    """A customer of the organisation, who brings their own connections."""

    id: str | None = None
    external_id: str | None = None
    display_name: str | None = None

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")
        _drop_zero_ids(self, "id")


class Environment(_Model, frozen=True):
    """Where a project runs. `status` is running, suspended, error or draft; the platform may add values."""

    id: str
    name: str | None = None
    status: str | None = None

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")


class Project(_Model, frozen=True):
    """Integration code. `environments` is UNSET if the response does not list them."""

    id: str
    name: str | None = None
    environments: tuple[Environment, ...] | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")


class Projects(_Model, frozen=True):
    """The response of ListProjects."""

    projects: list[Project] | msgspec.UnsetType | None = msgspec.UNSET


class ConnectionReference(_Model, frozen=True):
    """A connection in the list of an activation or an environment, of which only the id is needed."""

    id: str

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")


class Activation(_Model, frozen=True):
    """An end user who is activated in an environment. `connections` is UNSET if ListActivations does not list them."""

    id: str | None = None
    user: EndUser | None = None
    connections: tuple[ConnectionReference, ...] | msgspec.UnsetType | None = msgspec.UNSET

    def __post_init__(self) -> None:
        _normalise_ids(self, "id")
        _drop_zero_ids(self, "id")


# The response of ListActivations, a bare array; null is an empty one.
Activations = cast("type[list[Activation] | None]", list[Activation] | None)


class Page(_Model, Generic[T], frozen=True):
    """One page of a list."""

    total_count: int | None = None
    next: str | None = None
    items: list[T] | msgspec.UnsetType | None = msgspec.UNSET


class EndUserPage(_Model, frozen=True):
    """One page of ListEndUsers, which names its items `users`."""

    total_count: int | None = None
    next: str | None = None
    users: list[EndUser] | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def items(self) -> list[EndUser] | msgspec.UnsetType | None:
        """The items, under the name that they have in every other page."""
        return self.users


class ErrorBody(_Model, frozen=True):
    """The documented Error. `code` and `message` are required, which most gateways' JSON does not have."""

    code: str | int
    message: str
    fields: object = None
    details: object = None

    def field_errors(self) -> list[FieldError]:
        """Return the entries of `fields`; malformed ones are ignored."""
        entries = self.fields if isinstance(self.fields, list) else []
        return [
            FieldError(str(entry.get("field", "")), str(entry.get("message", "")))
            for entry in entries
            if isinstance(entry, dict)
        ]
