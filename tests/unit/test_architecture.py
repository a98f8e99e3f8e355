"""Imports point downwards only, without a circle; loading is cheap; every module is small and says what it is for."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import versori_magics

PACKAGE = Path(versori_magics.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# From the bottom to the top: each may import what stands before it. `__init__` and `__main__` are the package's own.
LAYERS = (
    "_version",
    "text",
    "catch",
    "interrupts",
    "next_step",
    "errors",
    "api",
    "vendor_cli",
    "settings",
    "inventory",
    "cleanup",
    "presentation",
    "notebook",
    "__init__",
)
SEPARATE = {"emulator": {"emulator"}, "__main__": {"__main__", "emulator", "_version"}}
HEAVY = {"IPython", "pandas", "ipywidgets"}
NOT_ON_LOADING = ["pandas", "numpy", "httpx", "ipywidgets", "msgspec", "yaml", "jwt", "ulid", "starlette", "uvicorn"]
MAGIC_SYNTAX = ("%versori_", "--yes", "--break", "--max", "--dry-run", "--protect", "--workers", "--server", "--org")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the full name of everything that is imported, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_by(path: Path, *, for_types_too: bool = True) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    if not for_types_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    return set(imports(tree, package))


def below(names: set[str], *prefixes: str) -> set[str]:
    return {name for name in names if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)}


def layer_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def layer_of_import(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in {*LAYERS, *SEPARATE} else "__init__"


def allowed_imports(layer: str) -> set[str]:
    if layer in SEPARATE:
        return SEPARATE[layer]
    return set(LAYERS[: LAYERS.index(layer) + 1])


def test_the_import_reader_finds_every_import() -> None:
    source = (
        "import a.b as c\nfrom d import e\nfrom . import f\nfrom .g import h\nfrom ..i import j\n"
        "def k():\n    import l\nif TYPE_CHECKING:\n    from m import n\ntry:\n    import o\nexcept ImportError: ...\n"
    )
    assert set(imports(ast.parse(source), "p.q")) == {"a.b", "d.e", "p.q.f", "p.q.g.h", "p.i.j", "l", "m.n", "o"}


def test_every_module_belongs_to_a_layer() -> None:
    assert {layer_of(path) for path in MODULES} == {*LAYERS, *SEPARATE}
    assert len(MODULES) > 60


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_downwards_only(path: Path) -> None:
    layer = layer_of(path)
    # The package names its public objects lazily and for types; only a sandbox that is asked for starts the emulator.
    lazily = {"emulator"} if name_of(path) == "versori_magics.notebook.commands.sandbox" else set()
    layers = {layer_of_import(name) for name in below(imported_by(path), "versori_magics")}
    assert layers <= allowed_imports(layer) | lazily


def test_modules_do_not_import_each_other_even_for_types() -> None:
    names = {name_of(path) for path in MODULES}
    graph = {}
    for path in MODULES:
        imported = below(imported_by(path), "versori_magics")
        modules = {name if name in names else name.rpartition(".")[0] for name in imported}
        graph[name_of(path)] = modules - {"versori_magics", name_of(path)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) != "notebook"], ids=name_of)
def test_only_the_notebook_layer_imports_notebook_libraries(path: Path) -> None:
    for_types_too = path != PACKAGE / "__init__.py"  # it names the shell in a signature, and imports nothing
    assert not below(imported_by(path, for_types_too=for_types_too), *HEAVY, "anywidget", "traitlets", "ipykernel")


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) != "api"], ids=name_of)
def test_only_the_api_layer_imports_httpx(path: Path) -> None:
    assert not below(imported_by(path), "httpx")


@pytest.mark.parametrize("path", [path for path in MODULES if layer_of(path) != "emulator"], ids=name_of)
def test_only_the_emulator_imports_a_server(path: Path) -> None:
    assert not below(imported_by(path), "starlette", "uvicorn", "anyio")


def text_of(tree: ast.AST) -> Iterator[str]:
    """Yield every string of a module but its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, documented) and has_doc(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def has_doc(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node) is not None


@pytest.mark.parametrize("path", [p for p in MODULES if layer_of(p) not in {"notebook", *SEPARATE}], ids=name_of)
def test_only_the_notebook_layer_uses_magic_syntax_in_its_messages(path: Path) -> None:
    texts = text_of(ast.parse(path.read_text("utf-8")))
    assert [text for text in texts if any(word in text for word in MAGIC_SYNTAX)] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_350_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 350


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


# Public names


def test_there_are_at_most_twenty_public_names_and_all_of_them_exist() -> None:
    names = versori_magics.__all__
    assert len(names) == len(set(names)) <= 20
    assert sorted(names) == names
    for name in names:
        assert getattr(versori_magics, name) is not None
    assert set(names) <= set(dir(versori_magics))


def test_every_name_that_is_imported_lazily_is_public() -> None:
    assert set(versori_magics._LAZY) <= set(versori_magics.__all__)
    for name, module in versori_magics._LAZY.items():
        assert getattr(versori_magics, name).__module__.startswith(f"versori_magics.{module}")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
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
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('versori_magics.emulator')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert done.stdout.split() == []
