"""What the agent takes for a bot service that hangs."""

import asyncio
import socket
from pathlib import Path

import pytest

from seawall import limits
from seawall.daemon import bot_keeper
from seawall.sockets import listen_private


def test_a_service_that_does_not_listen_yet_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "bots.sock"
    assert asyncio.run(bot_keeper.answers(path))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))  # and stays, when it has ended
    assert asyncio.run(bot_keeper.answers(path))


def test_a_service_that_answers_lives_however_deep_the_data_directory_is(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 50) / "bots.sock"
    path.parent.mkdir()

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 404 Not Found\r\n\r\n")
        writer.close()

    async def story() -> bool:
        with listen_private(path) as listener:
            async with await asyncio.start_unix_server(refuse, sock=listener):
                return await bot_keeper.answers(path)

    assert asyncio.run(story())


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_service_that_takes_connections_and_says_nothing_hangs(
    tmp_path: Path, waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BOT_SERVICE_LOOK_TIMEOUT_S", 0.05)
    path = tmp_path / "bots.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(waiting)]
        for client in clients:
            client.connect(str(path))
        assert not asyncio.run(bot_keeper.answers(path))
        for client in clients:
            client.close()
