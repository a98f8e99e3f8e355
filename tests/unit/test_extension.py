"""The extension in a real shell: loading is silent and light, and unloading leaves no trace."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import versori_magics as versori
from versori_magics.notebook.magics import MAGICS

HEAVY = (
    "pandas",
    "numpy",
    "httpx",
    "ipywidgets",
    "anywidget",
    "msgspec",
    "starlette",
    "uvicorn",
    "ulid",
    "jwt",
    "yaml",
)


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    yield shell
    shell.restore_sys_module_state()


def our_magics(shell: InteractiveShell) -> set[str]:
    return {name for table in shell.magics_manager.magics.values() for name in table if name.startswith("versori")}


def count_matchers(shell: InteractiveShell) -> int:
    return [matcher.__name__ for matcher in shell.Completer.custom_matchers].count("versori_matcher")


def test_loading_is_silent_and_adds_every_magic(
    shell: InteractiveShell, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    assert our_magics(shell) == set(MAGICS)
    assert count_matchers(shell) == 1
    assert not [name for name in shell.user_ns if "versori" in name]


def test_loading_twice_changes_nothing(shell: InteractiveShell) -> None:
    for _ in range(2):
        versori.load_ipython_extension(shell)
    assert our_magics(shell) == set(MAGICS)
    assert count_matchers(shell) == 1


def test_unloading_removes_every_magic_and_the_completion(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_line_magic("unload_ext", "versori_magics")
    assert not [name for name in vars(shell.magics_manager.user_magics) if "versori" in name]
    assert our_magics(shell) == set()
    assert count_matchers(shell) == 0
    assert not shell.run_cell("%versori_runs --help", silent=True).success
    versori.unload_ipython_extension(shell)  # doing it again is harmless


def test_reloading_works(shell: InteractiveShell, capfd: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_line_magic("reload_ext", "versori_magics")
    assert our_magics(shell) == set(MAGICS)
    assert count_matchers(shell) == 1
    assert shell.run_cell("text = %versori_runs --help", silent=True).success
    assert repr(shell.user_ns["text"]).startswith("usage: %versori_runs")
    assert capfd.readouterr() == ("", "")


def test_no_other_magic_is_touched(shell: InteractiveShell) -> None:
    before = {table: dict(magics) for table, magics in shell.magics_manager.magics.items()}
    versori.load_ipython_extension(shell)
    versori.unload_ipython_extension(shell)
    assert {table: dict(magics) for table, magics in shell.magics_manager.magics.items()} == before


def test_variables_on_the_line_are_not_expanded_by_the_shell(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.user_ns["trick"] = "x --help"
    for line, message in (
        ("$trick", "holds a string of 8 characters"),
        ("{trick}", "holds a string of 8 characters"),
        ("$trick $nosuch", "'$nosuch' is not expected here"),
    ):
        error = shell.run_cell(f"%versori_connections {line}", silent=True).error_in_exec
        assert message in str(error)


def test_inside_a_function_its_local_variables_are_found(shell: InteractiveShell) -> None:
    shell.run_line_magic("load_ext", "versori_magics")
    shell.run_cell(
        "def inner():\n    here = 'not one'\n    get_ipython().run_line_magic('versori_connections', 'here')",
        silent=True,
    )
    error = shell.run_cell("inner()", silent=True).error_in_exec
    assert str(error).startswith("The variable here holds a string of 7 characters, but ORG must be a ULID.")


def python(code: str) -> str:
    process = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout


def test_loading_in_a_fresh_interpreter_imports_nothing_heavy_and_opens_no_connection() -> None:
    code = f"""
import sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell(config=Config({{"HistoryManager": {{"enabled": False}}}}))
before = set(sys.modules)
events = []
sys.addaudithook(lambda name, args: events.append(name) if name.startswith("socket.") else None)
shell.run_line_magic("load_ext", "versori_magics")
print(sorted(set({HEAVY!r}) & set(sys.modules)), events)
"""
    assert python(code) == "[] []\n"


def test_importing_the_package_imports_only_its_version() -> None:
    code = "import sys, versori_magics; print(sorted(name for name in sys.modules if name.startswith('versori_')))"
    assert python(code) == "['versori_magics', 'versori_magics._version']\n"


def test_tab_imports_nothing_heavy() -> None:
    code = f"""
import sys
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell(config=Config({{"HistoryManager": {{"enabled": False}}}}))
shell.run_line_magic("load_ext", "versori_magics")
with provisionalcompleter():
    words = [completion.text for completion in shell.Completer.completions("%versori_delete . x --d", 23)]
assert words == ["--dry-run"], words
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    assert python(code) == "[]\n"


def test_every_public_name_can_be_imported_and_there_are_at_most_20() -> None:
    assert len(versori.__all__) <= 20
    assert sorted(versori.__all__) == versori.__all__
    for name in versori.__all__:
        assert getattr(versori, name) is not None
        assert name in dir(versori)
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = versori.nosuch


def test_importing_a_submodule_does_not_hide_a_public_function() -> None:
    code = """
import versori_magics.emulator, versori_magics.notebook.commands.connections, versori_magics.notebook.form
import versori_magics as versori
from versori_magics import connections, form, sandbox
print(type(sandbox).__name__, sandbox is versori.sandbox, type(connections).__name__, type(form).__name__)
"""
    assert python(code) == "function True function function\n"


def test_the_docstring_of_a_magic_is_shown_by_the_shell(shell: InteractiveShell) -> None:
    versori.load_ipython_extension(shell)
    docs = shell.magics_manager.lsmagic_docs()["line"]
    assert {name: docs[name] for name in MAGICS} == {name: magic.description for name, magic in MAGICS.items()}
