"""An agent to be killed: `python names_process.py DATA_DIR PORT ORIGIN_PORT RESOLV_CONF`.

It serves one release whose origin has a name, and prints `ready` when Envoy has it.
"""

import asyncio
import sys
from pathlib import Path

from node.support import listener, make_node, routes, running, to_cluster, whole
from node.test_names_envoy import HOST, named_cluster, names_of


async def main(data_dir: Path, port: int, origin: int, resolv_conf: Path) -> None:
    """Run until killed."""
    named = named_cluster("origin", HOST, origin)
    snapshot = whole(named, listener(port), routes([to_cluster("origin")]))
    async with running(
        make_node(data_dir, names=names_of(data_dir, resolv_conf)), keep_envoy=True
    ) as node:
        await node.serve(snapshot)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
