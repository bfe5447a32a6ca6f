"""What is typed and means something else than it says: empty, closed, or interrupted too early."""

import builtins
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from seawall.api.views import ApplyEvent, Progress
from seawall.cli import main as commands
from seawall.cli.follow import followed
from seawall.console.output import Output
from seawall_process import seawall


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of a command in this process."""
    monkeypatch.setattr("sys.argv", ["seawall", *arguments])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("kill", "compression", "--site", ""),
        ("unkill", "compression", "--site", ""),
        ("rollback", ""),
        ("bots", "promote", ""),
        ("show", ""),
        ("token", "join", "--name", ""),
    ],
    ids=" ".join,
)
def test_a_variable_without_a_value_is_not_what_leaving_it_out_means(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    code = typed(monkeypatch, *arguments, "--data-dir", os.fspath(tmp_path), "--format", "json")
    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "empty-argument"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("kill", "--site", "shop", "--reason", "it burns"), "feature-missing"),
        (("token", "create", "ci", "--days", "inf"), "bad-duration"),
        (("token", "create", "ci", "--days", "nan"), "bad-command-line"),
        (("up", "--concurrency", "100000"), "bad-command-line"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    code = typed(monkeypatch, *arguments, "--data-dir", os.fspath(tmp_path), "--format", "json")
    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == told


def test_a_data_directory_without_a_name_is_not_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed(monkeypatch, "status", "--data-dir", "", "--format", "json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "bad-command-line"
    assert "it is empty" in error["message"]


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there and that this user may not read: for root there is none."""
    path = tmp_path / "closed"
    path.write_text("{}")
    opens = Path.open

    def refused(self: Path, *given: Any, **named: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opens(self, *given, **named)

    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.setattr(Path, "open", refused)
    return path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("status", "--data-dir"), "not-running"),
        (("bots", "show"), "file-unreadable"),
        (("bots", "eval", "starter", "--records"), "file-unreadable"),
    ],
)
def test_what_is_closed_is_told_by_whoever_opens_it(
    closed: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    assert typed(monkeypatch, *arguments, os.fspath(closed), "--format", "json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == told


def test_an_edge_starts_although_its_site_file_is_closed_to_it(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(_: str, command: list[str]) -> NoReturn:
        assert os.fspath(closed) in command
        raise SystemExit(77)

    monkeypatch.setattr(os, "execv", become)
    assert typed(monkeypatch, "up", "--config", os.fspath(closed)) == 77


def test_an_edge_that_served_starts_although_its_site_file_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def become(_: str, command: list[str]) -> NoReturn:
        raise SystemExit(77)

    monkeypatch.setattr(os, "execv", become)
    data_dir = tmp_path / "data"
    asked = ("up", "--config", os.fspath(tmp_path / "lost.yaml"), "--data-dir", os.fspath(data_dir))
    assert typed(monkeypatch, *asked) == 2
    assert "[site-file-missing]" in capsys.readouterr().err
    assert typed(monkeypatch, *asked, "--format", "json") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["error"]["code"]) == ("error", "site-file-missing")
    (data_dir / "node").mkdir(parents=True)
    (data_dir / "node" / "state.json").touch()
    assert typed(monkeypatch, *asked) == 77


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_an_interrupt_before_a_command_begins_is_one_of_the_four_codes(
    monkeypatch: pytest.MonkeyPatch, output_format: str
) -> None:
    imports = builtins.__import__

    def interrupted(name: str, *given: Any, **named: Any) -> Any:
        if name == "seawall.cli" and "look" in (given[2] or ()):
            raise KeyboardInterrupt
        return imports(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert typed(monkeypatch, "status", "--format", output_format) == 1


def test_who_leaves_a_switch_or_a_list_is_told_that_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def left() -> Iterator[ApplyEvent]:
        yield Progress("check", "started", "", 0.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        followed(Output(json_format=True), left())
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "interrupted"


def test_a_site_file_on_standard_output_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    asked = ("init", "--origin", "http://127.0.0.1:3000", "--output", "-")
    told = json.loads(seawall(*asked, "--format", "json", cwd=tmp_path).stdout)
    assert told["path"] is None
    assert told["text"].rstrip() == seawall(*asked, cwd=tmp_path).stdout.rstrip()
