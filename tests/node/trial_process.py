"""A trial in a process of its own, to be killed: `python trial_process.py DATA_DIR PORT PERMILLE`.

Stable answers `one` and the candidate `two`; prints `ready` when the share is in effect.
"""

import asyncio
import sys
from pathlib import Path

from node.stage_support import loaded, standing
from node.support import edge


async def main(data_dir: Path, port: int, permille: int) -> None:
    """Run until killed."""
    async with standing(data_dir, leave=True) as stand:
        old, new = loaded(edge(port, "one")), loaded(edge(port, "two"), "r2")
        await stand.serve(old)
        await stand.trials.start(new, old, baseline=True, deadline_s=20)
        await stand.trials.open()
        await stand.trials.steer(permille)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
