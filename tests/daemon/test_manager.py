"""What a service manager is told; a socket stands for it."""

import socket
from pathlib import Path

import pytest

from seawall.daemon.manager import tell_manager


@pytest.mark.parametrize("sign", ["", "@"])
def test_a_manager_hears_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    name = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(f"\0{name}" if sign else name)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{sign}{name}")
        tell_manager("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "nonsense", "/does/not/exist", "@nobody"])
def test_without_a_manager_nothing_fails(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    tell_manager("READY=1")


def test_a_manager_that_does_not_listen_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in range(1_000):  # more than the kernel keeps for it
            tell_manager("READY=1")
