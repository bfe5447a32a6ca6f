"""What is left alone on disk stays left alone, also at the look that makes certificates anew."""

import asyncio
from pathlib import Path

import pytest

from api.test_watched import Pair, run, served_chain
from api.world import World, world
from seawall import limits
from seawall.api.views import Applied
from seawall.api.watched import FileWatch
from seawall.api.workshop import Workshop
from seawall.clock import SystemClock
from seawall.errors import UnreachableError


def test_a_certificate_near_its_end_is_not_replaced_by_one_that_loses_a_host(
    tmp_path: Path,
) -> None:
    async def story(here: World, pair: Pair) -> None:
        ending = pair.renew(days=20)
        assert await here.control.watch.poll() is not None
        pair.renew("other.example.com")
        assert await here.control.watch.poll() is None, "it loses a host"
        flow = await here.control.watch.renew()
        assert flow is not None
        assert isinstance(flow.outcome, Applied)
        assert served_chain(here) == ending

    run(tmp_path, story)


def test_a_file_that_somebody_went_back_from_stays_when_a_certificate_is_near_its_end(
    tmp_path: Path,
) -> None:
    async def story(here: World, pair: Pair) -> None:
        old = pair.renew(days=20)
        assert await here.control.watch.poll() is not None
        pair.renew(days=25)
        assert await here.control.watch.poll() is not None
        await here.rollback()
        assert await here.control.watch.poll() is None
        assert served_chain(here) == old
        await here.control.watch.renew()
        assert served_chain(here) == old

    run(tmp_path, story)


def test_files_are_watched_although_the_release_could_not_be_read_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> object:
        raise UnreachableError("workbench-lost", "It was lost.")

    async def story(here: World, pair: Pair) -> None:
        releaser = here.control.releaser
        watch = FileWatch(
            releaser, here.control.workshop, SystemClock(), log=lambda _event, _text: None
        )
        with monkeypatch.context() as broken:
            broken.setattr(Workshop, "facts", lost)
            releaser._facts = None  # as in a process that has just begun
            assert await watch.poll() is None
        newest = pair.renew()
        assert await watch.poll() is not None
        assert served_chain(here) == newest

    run(tmp_path, story)


def test_a_development_certificate_near_its_end_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world(tmp_path / "data") as here:
            await here.applied(f"""version: 1
listen: {{https: 127.0.0.1:{here.port}}}
tls: {{development_ca: true}}
sites:
  shop: {{hosts: [shop.localhost], origin: "http://127.0.0.1:9"}}
""")
            old = served_chain(here)
            assert await here.control.watch.renew() is None, "far from its end"
            monkeypatch.setattr(limits, "CERTIFICATE_RENEWAL_BEFORE_S", 400 * 86_400.0)
            (tmp_path / "data/control/development-ca/site-shop.pem").unlink()  # as one that is due
            assert await here.control.watch.renew() is not None
            assert served_chain(here) != old

    asyncio.run(story())
