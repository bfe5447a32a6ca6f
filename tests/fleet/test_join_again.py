"""A machine that is a node already, and is told to join while it cannot."""

from pathlib import Path

import pytest

from seawall.cli import fleet
from seawall.console.output import Output
from seawall.errors import ConflictError, UnreachableError

TOKEN = f"swj_{'0' * 16}_{'A' * 43}_{'0' * 64}"
AWAY = fleet.NodeOptions(("127.0.0.1:1",), TOKEN, "edge-1", (), 0, None)


class StartedError(Exception):
    """In place of the process that a node becomes."""


@pytest.fixture(autouse=True)
def _starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(*_: object) -> None:
        raise StartedError

    monkeypatch.setattr(fleet, "_become", become)


def test_a_node_whose_command_still_has_its_token_starts_while_control_is_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "identity").mkdir(mode=0o700)
    (tmp_path / "identity" / "fleet.json").write_text("{}")
    with pytest.raises(StartedError):
        fleet.node(Output(json_format=False), tmp_path, AWAY)
    told = capsys.readouterr().out
    assert "could not join again, and starts as the node that it is: No control process" in told


def test_a_node_whose_command_still_has_its_token_starts_though_control_has_another_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def taken(*_: object) -> None:
        raise ConflictError("node-name-taken", "There is already a node named edge-1.")

    (tmp_path / "identity").mkdir(mode=0o700)
    (tmp_path / "identity" / "fleet.json").write_text("{}")
    monkeypatch.setattr(fleet, "join", taken)
    with pytest.raises(StartedError):
        fleet.node(Output(json_format=False), tmp_path, AWAY)
    assert "starts as the node that it is: There is already" in capsys.readouterr().out


def test_a_machine_that_is_no_node_yet_does_not_start_without_control(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="No control process answers"):
        fleet.node(Output(json_format=False), tmp_path, AWAY)
