"""The values that people pass: every form of a selection, whatever might be taken for a yes, and what they type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from model.person import right_words
from ulid import ULID

if TYPE_CHECKING:
    from collections.abc import Callable

    from versori_magics.cleanup.plan import Plan

FORMS: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "text, if it is one": lambda ids: ids[0] if len(ids) == 1 else ids,
    "keys": dict.fromkeys,
    "Series": pd.Series,
    "Index": pd.Index,
    "array": lambda ids: np.array(ids, dtype=object),
    "DataFrame": lambda ids: pd.DataFrame({"id": ids}),
    "generator": lambda ids: (id_ for id_ in ids),
    "iterator": iter,
    "reversed": lambda ids: reversed(list(reversed(ids))),
    "map": lambda ids: map(str, ids),
    "lower case": lambda ids: [id_.lower() for id_ in ids],
    "twice": lambda ids: [*ids, *ids],
    "ULIDs": lambda ids: [ULID.from_str(id_) for id_ in ids],
}
FORMS["keys"] = lambda ids: dict.fromkeys(ids).keys()

# Only a real True is consent.
YES: dict[str, object] = {
    "True": True,
    "False": False,
    "'False'": "False",
    "'no'": "no",
    "'yes'": "yes",
    "'0'": "0",
    "''": "",
    "0": 0,
    "1": 1,
    "[0]": [0],
    "[]": [],
    "nan": float("nan"),
    "None": None,
    "numpy's True": np.True_,
    "numpy's False": np.False_,
}


def _one_more(plan: Plan) -> str:
    return f"delete {len(plan.to_delete) + 1}"


def _only_deleted(plan: Plan) -> str:
    return f"delete {len(plan.to_delete)}" if right_words(plan) != f"delete {len(plan.to_delete)}" else "delete"


def _only_broken(plan: Plan) -> str:
    return f"break {len(plan.to_break)}"


WORDS: dict[str, Callable[[Plan], str]] = {
    "the right words": right_words,
    "nothing": lambda _: "",
    "y": lambda _: "y",
    "yes": lambda _: "yes",
    "one more": _one_more,
    "only the number of all": _only_deleted,
    "only the number in use": _only_broken,
}
