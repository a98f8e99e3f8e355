"""How the emulator behaves where the platform's documentation leaves the choice open."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PAGE_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The choices that the platform's documentation leaves open; by default, what its OpenAPI description says.

    A client must cope with every choice, because nobody can tell from the documentation which of them a server makes.

    Parameters
    ----------
    go_encoding : bool
        Encode responses as the Go types of the vendor do, which differ from its OpenAPI description: an empty list is
        ``null``, also where the list is the whole body; an id that is not set is the zero ULID; empty cursors and empty
        `errors` are omitted; so are `lastDeployedAt` and `grantType`, which the description requires but does not
        define.
    hide_dynamic : bool
        ListConnections without ``end_user_id`` lists no connections of end users.
    static_lists_all : bool
        ListActivations with ``static=true`` lists the activations of the end users too, not only the static user's.
    max_page_size : int
        The largest page that ListConnections and ListSystems return.
    refuse_large_pages : bool
        A larger ``first`` is refused with an error, not reduced to `max_page_size`.

    Raises
    ------
    ValueError
        If `max_page_size` is less than 1.
    """

    go_encoding: bool = False
    hide_dynamic: bool = False
    static_lists_all: bool = False
    max_page_size: int = MAX_PAGE_SIZE
    refuse_large_pages: bool = False

    def __post_init__(self) -> None:
        if self.max_page_size < 1:
            raise ValueError(f"max_page_size must be 1 or more, not {self.max_page_size}.")
