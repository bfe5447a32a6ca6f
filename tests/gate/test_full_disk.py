"""A disk that becomes full in the middle of a tasting says nothing about the release."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate import made
from gate.bot_snapshots import snapshot
from gate.test_bot_tasted import FEATURE, GOLDEN
from seawall.clock import SystemClock
from seawall.compiler.contents import contents
from seawall.gate.compare import Changed, changed
from seawall.gate.taster import Order, Taster
from small_disk import SmallDisk, small_disk
from step_models import step_content


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def test_a_release_whose_answers_could_not_be_written_down_is_not_blamed(disk: SmallDisk) -> None:
    old, new = (snapshot(step_content(10.0 * n, name=f"m{n}", feature=FEATURE)) for n in (1, 2))
    judge = Taster(made.ENVOY, SystemClock(), work_dir=disk.path)
    change = changed(contents(old), contents(new))

    async def full() -> Changed:
        """Found out while the sacrificial Envoy runs, and before it is asked anything."""
        disk.fill()
        return change

    async def tell() -> None:
        first = await judge.taste(Order(old, None, made.known(Changed()), GOLDEN))
        assert first.refusal is None
        await judge.tidy()
        refusal = (await judge.taste(Order(new, old, full, GOLDEN))).refusal
        assert refusal is not None
        assert "No space left on device" in refusal.text
        assert not refusal.blames_content
        await judge.tidy()
        disk.free()
        again = await judge.taste(Order(new, old, made.known(change), GOLDEN))
        assert again.refusal is None

    asyncio.run(tell())
