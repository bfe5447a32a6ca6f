"""Where the streams of a command are closed, full, or read no further."""

import errno
import json
import os
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import pytest
import typer

from seawall.cli import look
from seawall.cli.settings import Format, finish
from seawall.cli.target import Target
from seawall.console.output import Output, styled
from seawall.errors import NotFoundError, RefusedError, UsageError

FULL = "/dev/full"


def write(output: Output) -> None:
    if output.json_format:
        output.write_json({"answer": 1})
    else:
        output.show(styled("answer"))


@pytest.fixture(params=[False, True], ids=["text", "json"])
def json_format(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def opened(tmp_path: Path) -> TextIO:
    return (tmp_path / "err").open("w", encoding="utf-8")


def test_an_answer_that_cannot_be_written_is_said_where_people_look(
    tmp_path: Path, json_format: bool
) -> None:
    with Path(FULL).open("w", encoding="utf-8") as full, opened(tmp_path) as aside:
        output = Output(json_format=json_format, stdout=full, stderr=aside)
        with pytest.raises(RefusedError, match=os.strerror(errno.ENOSPC)) as caught:
            write(output)
        output.error(str(caught.value), code=caught.value.code)
    assert "[output-lost]" in (tmp_path / "err").read_text()


def test_what_serves_goes_on_when_nobody_can_read_it(tmp_path: Path, json_format: bool) -> None:
    with Path(FULL).open("w", encoding="utf-8") as full, opened(tmp_path) as aside:
        output = Output(json_format=json_format, stdout=full, stderr=aside, serves=True)
        write(output)
        write(output)
    assert not (tmp_path / "err").read_text()


def test_a_reader_that_has_seen_enough_is_no_error(json_format: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as broken:
        write(Output(json_format=json_format, stdout=broken))


def test_closed_streams_swallow_and_the_exit_code_stays(
    monkeypatch: pytest.MonkeyPatch, json_format: bool
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    _ends_with(0, json_format, answers=True)
    _ends_with(1, json_format, answers=False)


def test_an_error_on_full_streams_keeps_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, json_format: bool
) -> None:
    with Path(FULL).open("w", encoding="utf-8") as out, Path(FULL).open("w") as err:
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("sys.stderr", err)
        _ends_with(1, json_format, answers=False)


def _ends_with(code: int, json_format: bool, *, answers: bool) -> None:
    def action(output: Output) -> int:
        if not answers:
            raise NotFoundError("not-here", "It is not here.")
        write(output)
        return 0

    with pytest.raises(Exception) as caught:  # noqa: PT011 - typer's own Exit has no public base
        finish(Format.JSON if json_format else Format.TEXT, action)
    assert getattr(caught.value, "exit_code", None) == code


@pytest.mark.parametrize("request_id", ["", " \r\n", "../status", "ü", "x" * 500])
def test_what_is_no_request_id_is_said_before_anybody_is_asked(
    tmp_path: Path, request_id: str
) -> None:
    with pytest.raises(UsageError, match="not a request id"):
        look.why(Output(json_format=False), Target(tmp_path), request_id, "")


@pytest.mark.parametrize(
    ("encoding", "shown", "told"),
    [
        ("ascii", "? ?\n", "\\u2713 \\u00fc"),
        ("latin-1", "? ü\n", "\\u2713 \\u00fc"),
        ("utf-8", "✓ ü\n", "✓ ü"),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_what_a_terminal_has_no_character_for_ends_no_command(
    encoding: str, shown: str, told: str, terminal: bool
) -> None:
    class Stream(TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    def written(*, json_format: bool) -> str:
        raw = BytesIO()
        output = Output(json_format=json_format, stdout=Stream(raw, encoding))
        if json_format:
            output.write_json({"a": "✓ ü"})
        else:
            output.show(styled("✓ ü"))
        return raw.getvalue().decode(encoding)

    assert written(json_format=False) == shown
    line = written(json_format=True)
    assert line == f'{{"a": "{told}"}}\n'
    assert json.loads(line) == {"a": "✓ ü"}


def test_an_argument_that_is_no_text_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["seawall", "show", "r\udcff"])
    with pytest.raises(typer.Exit) as ended:
        finish(Format.TEXT, lambda _: len("r\udcff".encode()))
    assert ended.value.exit_code == 2
    assert "[no-text]" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["seawall", "show", "r1"])
    with pytest.raises(typer.Exit) as ended:
        finish(Format.TEXT, lambda _: len("r\udcff".encode()))
    assert ended.value.exit_code == 1
    assert "[internal]" in capsys.readouterr().err


def test_what_is_closed_to_this_user_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def look(_: Output) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/srv/edge/seawall-data/run")

    with pytest.raises(typer.Exit) as ended:
        finish(Format.TEXT, look)
    assert ended.value.exit_code == 3
    said = capsys.readouterr().err
    assert (
        "error: /srv/edge/seawall-data/run is not accessible to this user: Permission denied."
        in said
    )
    assert "Run the command as the user that Seawall runs as" in said


def test_a_process_of_another_user_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    def end(_: Output) -> int:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with pytest.raises(typer.Exit) as ended:
        finish(Format.TEXT, end)
    assert ended.value.exit_code == 3
    assert "error: This user may not do that: Operation not permitted." in capsys.readouterr().err
