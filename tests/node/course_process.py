"""An agent in a trial, to be killed: `python course_process.py DATA_DIR PORT ORIGIN STAGE`.

It brings a release to the stage `taste`, `canary` or `commit`, and prints `ready` there; at
`commit` it has just been told to.
"""

import asyncio
import sys
from pathlib import Path

from node.course_support import Story, measuring, site
from node.support import answer, running, until

SHARE = 300
MARK = {**answer("new"), "match": {"path": "/new"}}


async def main(data_dir: Path, port: int, upstream: int, stage: str) -> None:
    """Run until killed."""
    async with running(measuring(data_dir), keep_envoy=True) as node:
        story = Story(node)
        await story.serve(site(port, upstream))
        await story.try_out(site(port, upstream, first=MARK))
        await story.tasted()
        if stage != "taste":
            await story.steered(SHARE)
        if stage == "commit":
            story.stable = story.tried
            await story.assign()
            await until(lambda: node.agent.course.memory.generation == 4, what="the order")
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
