"""The house stands: imports go down only, loading is cheap, no room is too big."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import versori_magics

PACKAGE = Path(versori_magics.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"IPython", "pandas", "ipywidgets"}
NOT_ON_LOADING = ["pandas", "numpy", "httpx", "ipywidgets", "msgspec", "yaml", "jwt", "ulid", "starlette", "uvicorn"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Give the full name of everything that is imported, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_by(path: Path, *, also_for_types: bool = True) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    if not also_for_types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    return set(imports(tree, package))


def reaches(names: set[str], *forbidden: str) -> set[str]:
    return {name for name in names if any(name == one or name.startswith(f"{one}.") for one in forbidden)}


def floor(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


MAY_NOT = {
    "platform": ("versori_magics.deletion", "versori_magics.notebook", "versori_magics.sandbox"),
    "deletion": ("versori_magics.notebook", "versori_magics.sandbox"),
    # What every floor may use must itself stand on nothing above it.
    "errors.py": tuple(
        f"versori_magics.{name}" for name in ("platform", "deletion", "notebook", "sandbox", "settings")
    ),
    "settings.py": ("versori_magics.deletion", "versori_magics.notebook", "versori_magics.sandbox"),
    "text.py": ("versori_magics",),
}


def test_the_reading_of_imports_misses_none() -> None:
    source = (
        "import a.b as c\nfrom d import e\nfrom . import f\nfrom .g import h\nfrom ..i import j\n"
        "def k():\n    import l\nif TYPE_CHECKING:\n    from m import n\ntry:\n    import o\nexcept ImportError: ...\n"
    )
    assert set(imports(ast.parse(source), "p.q")) == {"a.b", "d.e", "p.q.f", "p.q.g.h", "p.i.j", "l", "m.n", "o"}


def test_every_floor_is_there() -> None:
    assert {floor(path) for path in MODULES} == {"", "platform", "deletion", "notebook", "sandbox"}
    assert len(MODULES) > 30


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    forbidden = MAY_NOT.get(floor(path) or path.name, ())
    assert not reaches(imported_by(path), *forbidden)


@pytest.mark.parametrize("path", [path for path in MODULES if floor(path) == "sandbox"], ids=name_of)
def test_the_sandbox_shares_no_code_with_what_it_judges(path: Path) -> None:
    ours = reaches(imported_by(path), "versori_magics")
    assert ours == reaches(ours, "versori_magics.sandbox")


@pytest.mark.parametrize("path", [path for path in MODULES if floor(path) != "notebook"], ids=name_of)
def test_only_the_notebook_floor_imports_what_belongs_to_notebooks(path: Path) -> None:
    for_types_too = path != PACKAGE / "__init__.py"  # it names the shell in a signature, and imports nothing
    assert not reaches(imported_by(path, also_for_types=for_types_too), *HEAVY, "anywidget", "traitlets")


@pytest.mark.parametrize("path", [path for path in MODULES if floor(path) != "sandbox"], ids=name_of)
def test_only_the_sandbox_imports_a_server(path: Path) -> None:
    assert not reaches(imported_by(path), "starlette", "uvicorn", "anyio")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_350_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 350


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


# What is public


def test_there_are_at_most_twenty_public_names_and_each_is_there() -> None:
    names = versori_magics.__all__
    assert len(names) == len(set(names)) <= 20
    assert sorted(names) == names
    for name in names:
        assert getattr(versori_magics, name) is not None
    assert set(names) <= set(dir(versori_magics))


def test_everything_that_is_found_when_it_is_first_used_is_public() -> None:
    assert set(versori_magics._LAZY) <= set(versori_magics.__all__)
    for name, module in versori_magics._LAZY.items():
        assert getattr(versori_magics, name).__module__.startswith(f"versori_magics.{module}")


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        versori_magics.nothing  # noqa: B018 - the look-up is what is tested


# Loading

LOAD = """
import versori_magics
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
versori_magics.load_ipython_extension(shell)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import versori_magics",
        "import versori_magics.notebook.magics",
        "import versori_magics; dir(versori_magics)",
        LOAD,
    ],
)
def test_loading_imports_nothing_heavy_and_opens_no_socket(statement: str) -> None:
    code = (
        "import sys\nbefore = set()\n"
        "sys.addaudithook(lambda event, _: event.startswith('socket.') and sys.exit(f'{event} while loading'))\n"
        f"{statement}\n"
        f"print(*sorted(({set(NOT_ON_LOADING)!r} - before) & set(sys.modules)))\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('versori_magics.sandbox')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.split() == []
