import asyncio

from node.control_contract import Arranged, check_control
from seawall.testing.control import MemoryControl


def test_the_memory_control_keeps_every_promise_of_the_port() -> None:
    async def story() -> None:
        control = MemoryControl()
        await check_control(Arranged(control, control.assign, control.go_away, control.foretell))

    asyncio.run(story())
