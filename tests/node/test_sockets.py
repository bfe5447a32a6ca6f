import os
import socket
from pathlib import Path

import pytest

from seawall.errors import ConflictError
from seawall.sockets import listen_private, short_path

NO_TEXT = os.fsdecode(b"d\xe4t\xe4")  # Latin-1 where names are UTF-8, as any name is in `C`


@pytest.fixture(params=["short", "deep" * 50, NO_TEXT], ids=["short", "long", "no text"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    directory = tmp_path / str(request.param)
    directory.mkdir()
    return directory / "a.sock"


def test_a_listener_is_private_and_reachable_under_any_path(path: Path) -> None:
    with (
        listen_private(path) as listener,
        socket.socket(socket.AF_UNIX) as client,
        short_path(path) as address,
    ):
        assert path.stat().st_mode & 0o777 == 0o600
        client.connect(address)
        accepted, _ = listener.accept()
        accepted.close()


def test_a_socket_nobody_answers_on_is_replaced(path: Path) -> None:
    listen_private(path).close()
    listen_private(path).close()


def test_a_socket_somebody_answers_on_is_left_alone(path: Path) -> None:
    with (
        listen_private(path),
        pytest.raises(ConflictError, match="Another process is already listening"),
    ):
        listen_private(path)


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ConflictError, match="not a socket"):
        listen_private(path)
    assert path.read_text() == "precious"


def test_a_path_that_is_no_text_has_a_name_that_is_one(tmp_path: Path) -> None:
    directory = tmp_path / NO_TEXT
    directory.mkdir()
    with listen_private(directory / "a.sock"), short_path(directory / "a.sock") as address:
        assert address.isascii()
