"""The origin of what is tasted: it answers as it is told, and leaves no connection behind."""

import asyncio
from pathlib import Path

from seawall.gate.stub import Arrived, Stub, Wanted

REQUEST = b"GET /cart HTTP/1.1\r\nhost: shop.test\r\n\r\n"


def test_it_answers_as_wanted_and_remembers_what_came(tmp_path: Path) -> None:
    stub = Stub({"": Wanted(status=404)})

    async def story() -> bytes:
        async with stub.on(tmp_path / "stub.sock"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "stub.sock"))
            writer.write(REQUEST)
            status = await reader.readline()
            writer.close()
            return status

    assert asyncio.run(story()) == b"HTTP/1.1 404 Stub\r\n"
    assert stub.arrived == {"": Arrived("GET", "/cart", "shop.test")}


def test_what_is_still_connected_at_the_end_is_hung_up(tmp_path: Path) -> None:
    async def story() -> bytes:
        async with Stub({}).on(tmp_path / "stub.sock"):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "stub.sock"))
            writer.write(REQUEST)
            await reader.readline()
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(asyncio.wait_for(story(), 10)).endswith(b"</p>\n")
