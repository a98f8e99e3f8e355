"""The declarations of the magics: each gives help, flags and a call of the public function."""

import inspect
from typing import Any

import pytest

import versori_magics as versori
from versori_magics.errors import ArgumentError
from versori_magics.notebook.magic_declaration import Magic
from versori_magics.notebook.magic_line import Variables
from versori_magics.notebook.magics import MAGICS

ONE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TWO = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
ORG = "01BX5ZZKBKACTAV9WEVGEMMVS0"
MODULES = {
    "connect": "versori_magics.notebook.commands.connect",
    "connections": "versori_magics.notebook.commands.connections",
    "connection": "versori_magics.notebook.commands.connections",
    "delete": "versori_magics.notebook.commands.delete",
    "plan": "versori_magics.notebook.commands.delete",
    "resume": "versori_magics.notebook.commands.delete",
    "runs": "versori_magics.notebook.commands.runs",
    "sandbox": "versori_magics.notebook.commands.sandbox",
    "form": "versori_magics.notebook.form.form",
}


def function_of(magic: Magic) -> str:
    return magic.name.removeprefix("versori_")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Replace every public function with one that only records its arguments, bound to the real signature."""
    recorded: dict[str, dict[str, Any]] = {}

    def replace(name: str, signature: inspect.Signature) -> None:
        def record(*args: Any, **kwargs: Any) -> str:
            recorded[name] = signature.bind(*args, **kwargs).arguments
            return f"result of {name}"

        monkeypatch.setattr(f"{MODULES[name]}.{name}", record)

    for name in MODULES:
        replace(name, inspect.signature(getattr(versori, name)))
    return recorded


def call(line: str, **user_ns: Any) -> Any:
    magic, _, rest = line.removeprefix("%").partition(" ")
    return MAGICS[magic].call(rest, Variables({}, user_ns))


# Help.


@pytest.mark.parametrize("magic", MAGICS.values(), ids=function_of)
def test_help_shows_every_flag_with_examples_and_calls_nothing(magic: Magic, calls: dict[str, dict[str, Any]]) -> None:
    text = repr(call(f"%{magic.name} --help"))
    assert text.startswith(f"usage: %{magic.name} [--help]")
    assert f"%{magic.name}" in text[text.index("examples:") :]
    assert "%%" not in text
    assert magic.flags[-1] == "--help"
    assert [flag for flag in magic.flags if flag not in text] == []
    assert repr(call(f"%{magic.name} . x --yes --help")) == repr(call(f"%{magic.name} --help --nosuch")) == text
    assert calls == {}


@pytest.mark.parametrize("magic", MAGICS.values(), ids=function_of)
def test_the_examples_of_the_help_can_be_run(magic: Magic, calls: dict[str, dict[str, Any]]) -> None:
    for example in magic.examples:
        line = example[example.index("%") :]
        call(line, unused=[ONE], org=ORG)
        assert calls


@pytest.mark.parametrize("magic", MAGICS.values(), ids=function_of)
def test_the_docstring_begins_with_the_summary_and_names_the_help(magic: Magic) -> None:
    assert magic.description.startswith(magic.summary)
    assert magic.description.endswith(f"%{magic.name} --help.")


# Calls.


@pytest.mark.parametrize(
    ("line", "function", "arguments"),
    [
        ("%versori_connect", "connect", {"context": None, "server": None, "org": None, "auth": None}),
        (
            "%versori_connect acme --server $server --org {org} --auth jwt",
            "connect",
            {"context": "acme", "server": "staging", "org": ORG, "auth": "jwt"},
        ),
        (
            "%versori_connections org --system 'My Shop' --usage",
            "connections",
            {
                "org": ORG,
                "system": "My Shop",
                "end_user": None,
                "project": None,
                "environment": None,
                "usage": True,
                "no_projects": False,
            },
        ),
        (
            "%versori_connections . --end-user u --project p --environment e --no-projects",
            "connections",
            {
                "org": ".",
                "system": None,
                "end_user": "u",
                "project": "p",
                "environment": "e",
                "usage": False,
                "no_projects": True,
            },
        ),
        ("%versori_connection . one", "connection", {"org": ".", "id": ONE}),
        (
            "%versori_delete $org many --dry-run --yes --break one",
            "plan",
            {"org": ORG, "selection": [ONE, TWO], "allow_breaking": [ONE], "protect": None, "no_projects": False},
        ),
        (
            "%versori_delete . many --yes --max 7 --workers 3 --protect $file",
            "delete",
            {
                "org": ".",
                "selection": [ONE, TWO],
                "yes": True,
                "max": 7,
                "allow_breaking": [],
                "protect": "keep.txt",
                "workers": 3,
                "no_projects": False,
            },
        ),
        ("%versori_runs", "runs", {}),
        (f"%versori_resume {ONE}", "resume", {"run": ONE, "yes": False, "protect": None, "workers": 8}),
        (
            "%versori_resume one --yes --workers 2 --protect $file",
            "resume",
            {"run": ONE, "yes": True, "protect": "keep.txt", "workers": 2},
        ),
        ("%versori_form", "form", {"org": ".", "max": 100, "no_projects": False}),
        ("%versori_form $org --max 500", "form", {"org": ORG, "max": 500, "no_projects": False}),
        ("%versori_sandbox", "sandbox", {"action": "start", "connections": 250, "seed": 1}),
        (
            "%versori_sandbox reset --connections 9 --seed 2",
            "sandbox",
            {"action": "reset", "connections": 9, "seed": 2},
        ),
    ],
)
def test_a_line_calls_the_public_function_once_with_the_values_of_its_words_and_returns_its_result(
    calls: dict[str, dict[str, Any]], line: str, function: str, arguments: dict[str, Any]
) -> None:
    result = call(line, one=ONE, many=[ONE, TWO], org=ORG, server="staging", file="keep.txt")
    assert result == f"result of {function}"
    assert calls == {function: arguments}


def test_a_wrong_line_calls_nothing(calls: dict[str, dict[str, Any]]) -> None:
    for line in (
        "%versori_delete . nosuch --yes",
        "%versori_delete . one --ye",
        "%versori_delete nosuch one --yes",
        "%versori_delete . one --yes --break nosuch",
        "%versori_delete . one --yes --protect $nosuch",
        "%versori_resume nosuch --yes",
        "%versori_sandbox begin",
    ):
        with pytest.raises(ArgumentError):
            call(line, one=ONE)
    assert calls == {}


# Agreement with the functions.


@pytest.mark.parametrize("magic", MAGICS.values(), ids=function_of)
def test_every_magic_has_the_parameters_and_defaults_of_its_function(magic: Magic) -> None:
    function = inspect.signature(getattr(versori, function_of(magic))).parameters
    defaults = {name: p.default for name, p in function.items() if p.default is not inspect.Parameter.empty}
    keywords = [parameter.keyword for parameter in magic.parameters if parameter.keyword != "dry_run"]
    assert set(keywords) == set(function)
    for parameter in magic.parameters:
        default = getattr(parameter, "default", False)
        # ORG has a default in the functions only, except for the form.
        if parameter.keyword in defaults and (parameter.keyword, magic.name) != ("org", "versori_connections"):
            assert default == defaults[parameter.keyword]
