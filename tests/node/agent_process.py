"""An agent as a process of its own, to be killed: `python agent_process.py DATA_DIR PORT ORIGIN`.

It serves one release that sends everything to the origin, and prints `ready` when Envoy has it.
"""

import asyncio
import sys
from pathlib import Path

from node.support import cluster, listener, make_node, routes, running, to_cluster, whole


async def main(data_dir: Path, port: int, origin: int) -> None:
    """Run until killed."""
    snapshot = whole(cluster("origin", origin), listener(port), routes([to_cluster("origin")]))
    async with running(make_node(data_dir), keep_envoy=True) as node:
        await node.serve(snapshot)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
