import json
from pathlib import Path

import pytest

from seawall import errors, exit_codes, limits
from seawall.api.operations import OPERATIONS
from seawall.cli.reference import cli_markdown
from seawall_process import seawall

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "init", "up", "down", "demo", "check", "diff", "apply", "rollback", "status", "releases",
    "show", "why", "audit", "openapi", "limits", "version", "token create", "token list",
    "token revoke", "token join", "nodes list", "nodes remove", "kill", "unkill", "feed push",
    "feed list", "quarantine list", "quarantine release", "pause", "resume", "abort", "freeze",
    "unfreeze", "rollout", "bots fetch-ranges", "bots rotate-keys", "bots jobs",
    "bots run-job",
    "bots shadow", "bots promote", "bots unshadow",
)  # fmt: skip


def test_the_page_of_commands_is_fresh() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == cli_markdown(), "run `make docs`"


def test_every_command_is_on_the_page() -> None:
    page = cli_markdown()
    for command in COMMANDS:
        assert f"## `seawall {command}`" in page


def test_every_operation_for_people_has_a_command() -> None:
    commands = {
        "create_token": "token create",
        "tokens": "token list",
        "revoke_token": "token revoke",
        "health": "status",
        "metrics": "status",
        "join_token": "token join",
        "nodes": "nodes list",
        "remove_node": "nodes remove",
        "switches": "kill",
        "feeds": "feed list",
        "feed": "bots fetch-ranges",
        "jobs": "bots jobs",
        "run_job": "bots run-job",
        "push_feed": "feed push",
        "rotate_keys": "bots rotate-keys",
        "bot_shadow": "bots shadow",
        "promote": "bots promote",
        "unshadow": "bots unshadow",
        "quarantine": "quarantine list",
        "release_quarantine": "quarantine release",
        "rollouts_now": "rollout",
        "rollout_story": "rollout",
    }
    for operation in OPERATIONS:
        if operation.scope != "node":
            assert commands.get(operation.name, operation.name) in COMMANDS, operation.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_format_json(command: str) -> None:
    section = cli_markdown().partition(f"## `seawall {command}`")[2].partition("\n## ")[0]
    assert "--format" in section or command == "demo"


def test_every_kind_of_error_has_an_exit_code() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.SeawallError)
    } - {errors.SeawallError}
    assert set(exit_codes.OF_KIND) == kinds
    assert set(exit_codes.OF_KIND.values()) <= {1, 2, 3}
    assert exit_codes.exit_code(errors.SeawallError("x", "x")) == exit_codes.REFUSED


def test_limits_are_printed_with_value_and_reason() -> None:
    done = seawall("limits")
    assert done.returncode == 0
    assert f"ROUTES_MAX = {limits.ROUTES_MAX:,}\n" in done.stdout
    rows = json.loads(seawall("limits", "--format", "json").stdout)["limits"]
    assert all(row["reason"] for row in rows)
    assert {
        key: value
        for row in rows
        if row["name"] == "SITES_MAX"
        for key, value in row.items()
        if key != "reason"
    } == {"name": "SITES_MAX", "value": limits.SITES_MAX}


def test_the_versions_are_told() -> None:
    versions = json.loads(seawall("version", "--format", "json").stdout)
    assert versions["seawall"] == "0.1.0"
    assert versions["envoy"].startswith("1.40.")
    assert seawall("version").stdout.startswith("seawall 0.1.0\n")
    asked = seawall("--version")
    assert (asked.returncode, asked.stdout) == (0, seawall("version").stdout)


def test_the_api_document_is_printed() -> None:
    document = json.loads(seawall("openapi").stdout)
    assert document["openapi"].startswith("3.1")
    assert "/v1/status" in document["paths"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("status", "--nonsense"),
        ("status", "--format", "yaml"),
        ("show",),
        ("releases", "--limit", "0"),
        ("init",),
        ("up", "--api", "nowhere"),
    ],
)
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text("version: 1\n")
    done = seawall(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_help_imports_nothing_slow() -> None:
    done = seawall("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"rich", "pydantic", "httpx", "asyncio", "grpc", "sqlalchemy", "yaml"}


def test_looking_imports_nothing_of_the_compiler(tmp_path: Path) -> None:
    done = seawall("status", cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 3
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"grpc", "sqlalchemy", "starlette", "google.protobuf", "yaml"}
