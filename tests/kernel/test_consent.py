"""What a person types, or cannot type, in a real kernel: nothing is deleted by accident."""

import pytest
from support.hostile_platform import SECRET, HostilePlatform, world
from support.kernels import Kernel, assert_no_secret, error_lines

COLUMNS = [
    *("id", "name", "system", "system_id", "base_url", "auth", "credential_errors", "expires_at", "created_at"),
    *("updated_at", "template_id", "organisation_id", "kind", "in_use", "used_by", "running"),
]


def run_refused(kernel: Kernel, platform: HostilePlatform, code: str, *answers: str, error: str) -> str:
    """Run a cell that has to fail in a few lines, with nothing deleted; return these lines."""
    cell = kernel.run(code, *answers)
    lines = error_lines(cell.failure)
    assert cell.failure["ename"] == error
    assert cell.status == "error"
    assert 1 <= len(lines) <= 3
    assert lines[0].startswith(f"{error}: ")
    assert not [line for line in lines if len(line) > 700]
    assert platform.deletes == []
    assert platform.deleted == set()
    return "\n".join(lines)


def test_with_three_settings_every_connection_is_listed_with_its_usage(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=30, static=6, dynamic=4, page_cap=7))
    kernel.ok("df = %versori_connections . --usage")
    assert kernel.value("','.join(df.columns)").split(",") == COLUMNS
    assert set(kernel.value("','.join(df['id'])").split(",")) == set(platform.world.connections)
    expected = {"unused": platform.world.free, "static": platform.world.static, "dynamic": platform.world.dynamic}
    for kind, ids in expected.items():
        listed = kernel.value(f"','.join(df.loc[df['kind'] == '{kind}', 'id'])")
        assert set(listed.split(",")) == set(ids)


def test_with_yes_one_id_or_every_unused_connection_is_deleted_and_the_used_ones_are_kept(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=120, static=9, dynamic=9))
    free, used = set(platform.world.free), {*platform.world.static, *platform.world.dynamic}
    first = platform.world.free[0]
    kernel.ok("df = %versori_connections . --usage")
    kernel.ok(f"%versori_delete {platform.organisation} {first} --yes")
    assert platform.deleted == {first}
    cell = kernel.ok("r = %versori_delete . df --yes --max 1000")
    assert cell.prompts == []
    assert platform.deleted == free
    assert set(platform.world.connections) == used
    assert kernel.value("r.frame['outcome'].value_counts().sort_index().to_dict()") == repr(
        {"already_gone": 1, "deleted": 119, "in_use": 18}
    )
    assert kernel.value("sum(r.counts.values()) == len(r.frame) == len(df)") == "True"
    assert set(kernel.value("','.join(r.frame.query('outcome == \"in_use\"')['id'])").split(",")) == used


def test_each_magic_returns_the_same_as_its_function(kernel: Kernel, platform: HostilePlatform) -> None:
    platform.reset(world(free=3, static=2))
    url, org, one = platform.url, platform.organisation, platform.world.static[0]
    kernel.ok(f"url, org, one = {url!r}, {org!r}, {one!r}")
    for magic, function in (
        ("versori_connect", "connect()"),
        (f"versori_connect --server {url} --org $org --auth bearer", "connect(server=url, org=org, auth='bearer')"),
        ("versori_connections .", "connections()"),
        ("versori_connections $org --usage --system Shop", "connections(org, usage=True, system='Shop')"),
        (
            "versori_connections org --project Orders --environment production",
            "connections(org, project='Orders', environment='production')",
        ),
        ("versori_connection . one", "connection('.', one)"),
        ("versori_runs", "runs()"),
    ):
        kernel.ok(f"a = %{magic}\nb = versori.{function}")
        same = "a.equals(b) if hasattr(a, 'equals') else repr(a) == repr(b)"
        assert kernel.value(f"type(a) is type(b) and ({same})") == "True"
    kernel.ok(
        "a = %versori_delete {org} one --dry-run --break $one\nb = versori.plan(org, one, allow_breaking=[one])\n"
        "c = %versori_connect"
    )
    assert kernel.value("a.digest == b.digest and a.id != b.id and len(a.to_break) == 1") == "True"


@pytest.mark.parametrize("typed", ["y", " Y "])
def test_one_connection_is_deleted_after_y_and_the_prompt_names_it_its_server_and_organisation(
    kernel: Kernel, platform: HostilePlatform, typed: str
) -> None:
    id_ = platform.world.free[2]
    name = platform.world.connections[id_].name
    cell = kernel.run(f"%versori_delete . {id_}", typed)
    assert cell.error is None
    (prompt,) = cell.prompts
    for part in (id_, name, "Warehouse", "nobody uses it"):
        assert part in prompt
    assert platform.url in prompt
    assert platform.organisation in prompt
    assert prompt.endswith("Delete it? y/N: ")
    assert platform.deleted == {id_}


@pytest.mark.parametrize("typed", ["", "n", "delete", "delete 2", "yep", "y y", "1"])
def test_one_connection_is_kept_after_any_other_answer(kernel: Kernel, platform: HostilePlatform, typed: str) -> None:
    line = f"%versori_delete . {platform.world.free[0]}"
    error = run_refused(kernel, platform, line, typed, error="ConsentError")
    assert "nothing was sent" in error


def test_several_connections_are_deleted_after_delete_and_their_number(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.run("%versori_delete . df", "delete 5")
    assert cell.error is None
    assert "Type delete 5 to continue" in cell.prompts[0]
    assert platform.url in cell.prompts[0]
    assert platform.organisation in cell.prompts[0]
    assert platform.deleted == set(platform.world.free)


@pytest.mark.parametrize("typed", ["", "y", "yes", "YES", "delete", "delete 4", "delete 50", "delete 5 now", "5"])
def test_several_connections_are_kept_after_any_other_answer(
    kernel: Kernel, platform: HostilePlatform, typed: str
) -> None:
    kernel.ok("df = %versori_connections . --usage")
    error = run_refused(kernel, platform, "%versori_delete . df", typed, error="ConsentError")
    assert "Try again and type: delete 5" in error


def test_a_connection_in_use_is_deleted_only_after_the_numbers_of_all_rows_and_of_rows_in_use(
    kernel: Kernel, platform: HostilePlatform
) -> None:
    platform.reset(world(free=3, static=2))
    first, second = platform.world.static
    kernel.ok("df = %versori_connections . --usage")
    line = f"%versori_delete . df --break {first}"
    for typed in ("delete 4", "y", "break 1", "delete 3 break 1", "delete 4 break 2", ""):
        error = run_refused(kernel, platform, line, typed, error="ConsentError")
        assert "type: delete 4 break 1" in error
    cell = kernel.run(line, "delete 4 break 1")
    assert cell.error is None
    assert "breaks 1 running environment" in cell.prompts[0]
    assert platform.deleted == {first, *platform.world.free}
    assert set(platform.world.connections) == {second}


@pytest.mark.parametrize("flags", ["", "--max 1000", "--workers 4"])
def test_without_stdin_and_without_yes_the_cell_fails(kernel: Kernel, platform: HostilePlatform, flags: str) -> None:
    kernel.ok("df = %versori_connections . --usage")
    error = run_refused(kernel, platform, f"%versori_delete . df {flags}", error="ConsentError")
    assert "Cannot ask for confirmation" in error
    assert "add --yes" in error


def test_a_dry_run_shows_the_plan_asks_nothing_and_sends_nothing(kernel: Kernel, platform: HostilePlatform) -> None:
    kernel.ok("df = %versori_connections . --usage")
    cell = kernel.run("%versori_delete . df --dry-run")
    assert cell.error is None
    assert cell.text.startswith("Plan for 5 connections: 5 to delete")
    assert platform.deletes == []


@pytest.mark.parametrize(
    ("line", "error", "expected"),
    [
        ("%versori_delete . nosuch --yes", "ArgumentError", "There is no variable 'nosuch'"),
        ("%versori_delete . select --yes", "ArgumentError", "Did you mean selected?"),
        ("%versori_delete . half --yes", "SelectionError", "the number 0.5"),
        ("%versori_delete . 0.5 --yes", "ArgumentError", "neither a ULID nor the name of a variable"),
        ("%versori_delete . trick", "SelectionError", "a string of 32 characters"),
        ("%versori_delete . $trick", "SelectionError", "a string of 32 characters"),
        ("%versori_delete . {trick}", "SelectionError", "a string of 32 characters"),
        ("%versori_delete . ../../projects/x --yes", "ArgumentError", "neither a ULID nor the name of a variable"),
        ("%versori_delete . climb --yes", "SelectionError", "a string of 16 characters"),
        ("%versori_delete . many --yes", "PlanError", "101 connections are selected; the maximum is 100"),
        ("%versori_delete . many --yes --max 100", "PlanError", "101 connections are selected; the maximum is 100"),
        ("%versori_delete . selected --ye", "ArgumentError", "Did you mean --yes?"),
        ("%versori_delete . selected --yes --yes", "ArgumentError", "more than once"),
        ("%versori_delete . selected --yes # all", "ArgumentError", "does not accept comments or semicolons"),
        ("%versori_delete . selected --yes ;", "ArgumentError", "does not accept comments or semicolons"),
        ("%versori_delete . 'selected --yes", "ArgumentError", "No closing quotation"),
        ("%versori_delete selected --yes", "ArgumentError", "required: CONN"),
        ("versori.delete('.', selected, yes=True, allow_breaking=True)", "SelectionError", "not a bool"),
        ("versori.delete('.', [float('nan')], yes=True)", "SelectionError", "the number nan"),
        ("versori.delete('.', '', yes=True)", "SelectionError", "blank"),
        ("versori.delete('.', None, yes=True)", "SelectionError", "None"),
        ("versori.delete('.', True, yes=True)", "SelectionError", "True"),
    ],
)
def test_a_typing_error_is_an_error_of_a_few_lines_and_sends_no_request(
    kernel: Kernel, platform: HostilePlatform, line: str, error: str, expected: str
) -> None:
    id_ = platform.world.free[0]
    kernel.ok(f"half, climb, selected, trick = 0.5, '../../projects/x', ['{id_}'], '{id_} --yes'")
    kernel.ok("from ulid import ULID\nmany = [str(ULID()) for _ in range(101)]")
    assert expected in run_refused(kernel, platform, line, error=error)
    assert platform.requests == []


def test_an_empty_selection_asks_nothing_and_sends_nothing(kernel: Kernel, platform: HostilePlatform) -> None:
    kernel.ok("df = %versori_connections . --usage\nnothing = df[df['name'] == 'no such name']")
    before = len(platform.requests)
    cell = kernel.run("%versori_delete . nothing")
    assert cell.error is None
    assert "nothing" in cell.text
    assert len(platform.requests) == before


LOCALS = """
e = traceback.TracebackException.from_exception(sys.last_value, capture_locals=True)
ours = [f for f in e.stack if "versori_magics" in f.filename]
hidden = {"local_ns"}  # the variables of the notebook
print(*(f"{f.name} {n}={t}" for f in ours for n, t in (f.locals or {}).items() if n not in hidden), sep="\\n")
"""


@pytest.mark.parametrize("mode", ["Context", "Verbose"])
def test_no_error_shows_the_token_and_neither_do_the_local_variables_of_its_traceback(
    kernel: Kernel, platform: HostilePlatform, mode: str
) -> None:
    kernel.ok(f"import sys, traceback\n%xmode {mode}")
    for code in (
        f"%versori_delete . {platform.world.free[0]}",  # nobody to ask
        f"%versori_connection . {platform.organisation}",  # a 404
        "%versori_connections . --system Nobody",
        "%versori_connect --server nowhere",
        "versori.connect(org='not one')",
        "%versori_connect --auth psychic",
        "%versori_resume 01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ):
        assert len(error_lines(kernel.run(code).failure)) <= 3
        assert len(error_lines(kernel.run("%tb").outputs[0])) <= 3
        kernel.ok("print(repr(sys.last_value), vars(sys.last_value), str(sys.last_value))")
        kernel.ok(LOCALS)
    kernel.ok("%xmode Context")
    assert_no_secret(kernel.received, platform.token, SECRET)
    assert not [text for text in kernel.received if "authorization" in text.lower()]


@pytest.mark.parametrize(
    "line",
    [
        "%versori_delete . token --yes",
        "%versori_delete token token --yes",
        "%versori_connection . token",
        "%versori_connections token",
        "%versori_connect --server $token",
        "%versori_connect --org $token",
        "%versori_connect --auth $token",
        "%versori_resume token",
        "versori.resume(token)",
        "versori.delete('.', token)",
        "versori.plan(token, token)",
        "versori.delete('.', [], max=token)",
    ],
)
def test_a_token_in_the_place_of_another_argument_is_not_shown(
    kernel: Kernel, platform: HostilePlatform, line: str
) -> None:
    kernel.ok("import os\ntoken = os.environ['VERSORI_TOKEN']")
    assert len(error_lines(kernel.run(line).failure)) <= 3
    assert_no_secret(kernel.received, platform.token)
    assert platform.deletes == []
