import errno
import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from seawall.errors import RefusedError
from seawall.limits import LOG_FILES_MAX, LOG_VALUE_LENGTH_CHARS_MAX
from seawall.secret import REDACTED, Secret
from seawall.telemetry import logs

PEM = "-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANB\n-----END PRIVATE KEY-----"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    for handler in handlers:
        root.removeHandler(handler)
    path = tmp_path / "control.log"
    logs.configure("control", path=path)
    yield path
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = raising
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_component(log: Path) -> None:
    structlog.get_logger().info("release stored", release="r12", size_bytes=7)
    (line,) = lines(log)
    assert line["event"] == "release stored"
    assert (line["level"], line["component"]) == ("info", "control")
    assert (line["release"], line["size_bytes"]) == ("r12", 7)
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("created", [False, True], ids=["rename", "rename and create"])
def test_lines_follow_the_name_when_somebody_else_rotates(log: Path, created: bool) -> None:
    structlog.get_logger().info("before")
    log.rename(log.with_name("control.log-1"))
    if created:
        log.touch()
    structlog.get_logger().info("after")
    structlog.get_logger().info("more")
    assert [line["event"] for line in lines(log)] == ["after", "more"]
    assert [line["event"] for line in lines(log.with_name("control.log-1"))] == ["before"]


def test_lines_go_on_behind_what_somebody_cut_off(log: Path) -> None:
    structlog.get_logger().info("before")
    log.write_text("")
    structlog.get_logger().info("after")
    assert [line["event"] for line in lines(log)] == ["after"]


def test_lines_of_other_libraries_come_out_in_the_same_form(log: Path) -> None:
    logging.getLogger("uvicorn").warning("hello %s", "you")
    (line,) = lines(log)
    assert (line["event"], line["logger"], line["level"]) == ("hello you", "uvicorn", "warning")


def test_levels_below_the_wanted_one_are_not_written(log: Path) -> None:
    structlog.get_logger().debug("noise")
    assert lines(log) == []


def test_secrets_never_reach_the_file(log: Path) -> None:
    structlog.get_logger().info(
        "login",
        api_token="hunter2",
        nested={"Authorization": "hunter2", "list": [{"password": "hunter2"}]},
        secret=Secret(b"hunter2"),
        wrapped=Secret(b"hunter2"),
        raw=b"hunter2",
        text=f"key is {PEM} and header is Bearer hunter2",
    )
    text = log.read_text()
    assert "hunter2" not in text
    assert "MIIBVgIBADANB" not in text
    assert text.count(REDACTED) >= 6


def test_a_secret_in_a_traceback_never_reaches_the_file(log: Path) -> None:
    def refuse() -> None:
        raise RefusedError("x", "refused", detail=PEM)

    try:
        refuse()
    except RefusedError as error:
        structlog.get_logger().exception("failed", error=error)
    assert "MIIBVgIBADANB" not in log.read_text()
    assert "RefusedError" in lines(log)[0]["exception"]


def test_long_values_are_shortened_and_say_so(log: Path) -> None:
    structlog.get_logger().info("long", value="x" * (LOG_VALUE_LENGTH_CHARS_MAX * 3))
    (line,) = lines(log)
    assert len(line["value"]) < LOG_VALUE_LENGTH_CHARS_MAX + 50
    assert f"{LOG_VALUE_LENGTH_CHARS_MAX * 3} characters" in line["value"]


def test_a_line_break_in_a_value_stays_inside_its_line(log: Path) -> None:
    structlog.get_logger().info("a\nb", value="c\nd\u2028\ud800")
    assert len(log.read_text().splitlines()) == 1


def test_the_files_are_private_and_bounded_in_number(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOG_FILE_SIZE_BYTES_MAX", 2_000)
    logs.configure("control", path=log)
    for number in range(200):
        structlog.get_logger().info("line", number=number)
    files = list(log.parent.iterdir())
    assert len(files) == LOG_FILES_MAX
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    assert lines(log)[-1]["number"] == 199


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_disturbs_nobody(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs._PrivateFile))
    monkeypatch.setattr(handler, "stream", FullDisk())
    structlog.get_logger().info("into the void")
    assert lines(log) == []


def test_without_a_path_lines_go_to_stderr(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("node")
    structlog.get_logger().info("hello")
    assert json.loads(capsys.readouterr().err)["component"] == "node"


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_any_value_can_be_logged(value: object) -> None:
    event = logs.redact(None, "info", {"event": "x", "value": value})
    json.dumps(event)
