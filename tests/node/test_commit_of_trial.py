"""What was tried is what is committed: it is not read and checked a second time."""

import asyncio
from pathlib import Path

import pytest

from helpers import free_port
from node.course_support import Story, measuring, site
from node.streams import origin
from node.support import answer, get, running
from seawall.ids import Digest
from seawall.release.bundle import Bundle


def test_a_committed_trial_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    new = {**answer("new"), "match": {"path": "/new"}}

    async def tell() -> None:
        async with origin() as upstream, running(measuring(tmp_path)) as node:
            story = Story(node)
            await story.serve(site(port, upstream))
            release = await story.try_out(site(port, upstream, first=new))
            await story.tasted()
            await story.steered(100)
            bundles, read = node.agent._memory.bundles, []
            check = bundles.check

            def counted(digest: Digest, envelope: bytes) -> Bundle:
                read.append(digest)
                return check(digest, envelope)

            monkeypatch.setattr(bundles, "check", counted)
            report = await story.commit()
            assert report.release == release
            assert read == []
            serving = node.agent._serving.current
            assert serving is not None
            assert serving.served.generation == report.generation
            assert await get(port, "/new") == b"new"
            # Another release than the one that was tried is read.
            await story.serve(site(port, upstream, first=answer("else")))
            assert read != []
            assert await get(port) == b"else"

    asyncio.run(tell())
