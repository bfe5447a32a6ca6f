import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret

from api.world import ANN, World, live, sources, world
from clocks import HandClock
from seawall import limits
from seawall.api.hand_requests import DeedRequest
from seawall.api.views import Applied, Refused
from seawall.api.watched import FileWatch
from seawall.clock import SystemClock
from seawall.compiler.snapshot import TypeUrl
from seawall.site.sources import SourceSet
from tls_material import TlsAuthority

Story = Callable[[World, "Pair"], Awaitable[None]]
AUTHORITY = TlsAuthority()


class Pair:
    """A certificate and its key on disk, for shop.example.com."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.key = folder / "shop.pem", folder / "shop.key"
        self.folder = folder
        self.renew()

    def renew(self, *names: str, days: int = 90) -> bytes:
        chain, key = AUTHORITY.issue(*(names or ("shop.example.com",)), days=days)
        self.chain.write_bytes(chain)
        self.write_key(key)
        return chain

    def write_key(self, key: bytes) -> None:
        self.key.write_bytes(key)
        self.key.chmod(0o600)

    def site(self, port: int) -> SourceSet:
        text = f"""version: 1
listen: {{https: 127.0.0.1:{port}}}
certificates:
  shop: {{cert: shop.pem, key: shop.key}}
sites:
  shop: {{hosts: [shop.example.com], origin: "http://127.0.0.1:9", tls: {{certificate: shop}}}}
"""
        return sources(text, str(self.folder / "seawall.yaml"))


def run(tmp_path: Path, story: Story) -> None:
    async def main(here: World) -> None:
        pair = Pair(tmp_path)
        await here.applied(pair.site(here.port))
        assert await here.control.watch.poll() is None
        await story(here, pair)

    live(tmp_path, main)


def served_chain(here: World) -> bytes:
    assert here.node.snapshot is not None
    (resource,) = here.node.snapshot.of_type(TypeUrl.SECRET)
    secret = Secret.FromString(resource.body)
    chain: bytes = secret.tls_certificate.certificate_chain.inline_bytes
    return chain


def test_a_renewed_certificate_is_released_by_itself_on_the_same_path(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        chain = pair.renew()
        flow = await here.control.watch.poll()
        assert flow is not None
        assert isinstance(flow.outcome, Applied)
        release = flow.outcome.release
        assert release is not None
        assert (release.kind, release.parent, release.author) == ("certificates", "r1", "seawall")
        assert "shop.pem" in release.message
        assert served_chain(here) == chain
        assert await here.control.watch.poll() is None
        again = await here.applied(pair.site(here.port))
        assert not again.changed, "the same file after a renewal is no change"

    run(tmp_path, story)


def test_a_half_written_pair_waits_for_its_other_half(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        old = served_chain(here)
        chain, key = AUTHORITY.issue("shop.example.com")
        pair.chain.write_bytes(chain)
        assert await here.control.watch.poll() is None
        assert here.control.watch.notice() is None, "a moment is no trouble"
        assert served_chain(here) == old
        pair.write_key(key)
        assert await here.control.watch.poll() is not None
        assert served_chain(here) == chain

    run(tmp_path, story)


def test_a_certificate_that_loses_a_host_of_its_site_is_not_taken_up(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        old = served_chain(here)
        other = pair.renew("other.example.com")
        for _ in range(4):
            assert await here.control.watch.poll() is None
        (notice,) = [
            n for n in (await here.service.status()).notices if n.code == "files-on-disk-refused"
        ]
        assert "no longer covers `shop.example.com`" in notice.text
        assert served_chain(here) == old
        await here.applied(pair.site(here.port))
        assert served_chain(here) == other, "whoever applies it is shown a warning, and decides"
        assert await here.control.watch.poll() is None
        again = pair.renew("other.example.com", days=80)
        assert await here.control.watch.poll() is not None
        assert served_chain(here) == again, "it loses nothing more"

    run(tmp_path, story)


def test_a_file_that_stays_bad_is_a_notice_and_changes_nothing(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        old = served_chain(here)
        pair.chain.write_text("not a certificate")
        for _ in range(4):
            assert await here.control.watch.poll() is None
        status = await here.service.status()
        (notice,) = [n for n in status.notices if n.code == "files-on-disk-refused"]
        assert "shop.pem" in notice.text
        assert status.state == "serving"
        assert served_chain(here) == old
        pair.chain.unlink()
        await here.control.watch.poll()
        assert served_chain(here) == old
        pair.renew()
        assert await here.control.watch.poll() is not None
        assert here.control.watch.notice() is None

    run(tmp_path, story)


def test_a_file_touched_without_a_change_is_no_release(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        pair.chain.write_bytes(pair.chain.read_bytes())
        assert await here.control.watch.poll() is None
        assert here.node.history == ["r1"]

    run(tmp_path, story)


def test_a_rollback_of_a_renewal_stays_until_the_files_change_again(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        old = served_chain(here)
        pair.renew()
        await here.control.watch.poll()
        assert await here.control.watch.poll() is None
        await here.rollback()
        for _ in range(3):
            assert await here.control.watch.poll() is None
        assert served_chain(here) == old
        newest = pair.renew()
        assert await here.control.watch.poll() is not None
        assert served_chain(here) == newest

    run(tmp_path, story)


def test_a_certificate_near_its_end_is_loaded_again_and_released_only_if_it_is_another(
    tmp_path: Path,
) -> None:
    async def story(here: World, pair: Pair) -> None:
        assert await here.control.watch.renew() is None, "far from its end"
        pair.renew(days=20)
        await here.control.watch.poll()
        flow = await here.control.watch.renew()
        assert flow is not None
        assert isinstance(flow.outcome, Applied)
        assert not flow.outcome.changed
        assert here.node.history == ["r1", "r2"]

    run(tmp_path, story)


def test_going_back_tells_that_an_older_certificate_is_served_again(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        pair.renew(days=300)
        await here.applied(pair.site(here.port))
        older = await here.rollback("r1")
        assert isinstance(older, Applied)
        (note,) = older.notes
        assert "Certificate shop is the one of r1 again" in note
        newer = await here.rollback("r2")
        assert isinstance(newer, Applied)
        assert newer.notes == ()

    run(tmp_path, story)


def test_status_shows_the_certificate_that_is_served(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        pair.renew(days=40)
        await here.control.watch.poll()
        (certificate,) = (await here.service.status()).certificates
        assert certificate.dns_names == ("shop.example.com",)
        assert certificate.days_left in {39, 40}
        assert "seawall_certificate_expiry" in (await here.service.metrics()).decode()

    run(tmp_path, story)


def test_a_development_certificate_is_made_in_the_data_directory(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path / "data") as here:
            text = f"""version: 1
listen: {{https: 127.0.0.1:{here.port}}}
tls: {{development_ca: true}}
sites:
  shop: {{hosts: [shop.localhost], origin: "http://127.0.0.1:9"}}
"""
            await here.applied(text)
            again = await here.applied(text)
            assert not again.changed
            made = tmp_path / "data" / "control" / "development-ca"
            assert made.is_dir()
            assert all(path.stat().st_mode & 0o077 == 0 for path in made.rglob("*"))

    asyncio.run(story())


def test_a_list_that_changes_on_disk_is_a_feed_and_takes_nothing_else_with_it(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        listed, page = tmp_path / "bad.txt", tmp_path / "oops.html"
        listed.write_text("192.0.2.0/24\n")
        page.write_text("<p>sorry</p>")
        async with world(tmp_path / "data") as here:
            extra = f"    deny: bad\n    error_pages: {{5xx: {page}}}\nlists: {{bad: {listed}}}"
            await here.applied(here.text(extra=extra))
            assert await here.control.watch.poll() is None
            listed.write_text("192.0.2.0/24\n198.51.100.7\n")
            flow = await here.control.watch.poll()
            assert flow is not None
            outcome = await flow.wait()
            assert isinstance(outcome, Applied), outcome
            assert outcome.release is not None
            assert outcome.release.kind == "feed"
            assert [c.text for c in outcome.changes] == ["list bad: 1 -> 2 networks (+1, -0)"]
            assert await here.control.watch.poll() is None

    asyncio.run(main())


def test_a_list_that_breaks_on_disk_is_told_with_its_line_and_the_old_one_stays(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        listed = tmp_path / "bad.txt"
        listed.write_text("192.0.2.0/24\n")
        async with world(tmp_path / "data") as here:
            extra = f"    deny: bad\nlists: {{bad: {listed}}}"
            await here.applied(here.text(extra=extra))
            assert await here.control.watch.poll() is None
            listed.write_text("192.0.2.0/24\n192.0.2.0/24\n")
            flow = await here.control.watch.poll()
            assert flow is not None
            await flow.wait()
            notice = here.control.watch.notice()
            assert notice is not None
            assert "bad.txt:2" in notice.text
            assert await here.control.watch.poll() is None
            assert here.node.serving == "r1"
            listed.write_text("192.0.2.0/24\n198.51.100.7\n")
            assert await here.control.watch.poll() is not None
            assert here.control.watch.notice() is None

    asyncio.run(main())


def test_a_copy_that_was_left_behind_on_the_machine_that_takes_over_is_not_released(
    tmp_path: Path,
) -> None:
    async def story(here: World, pair: Pair) -> None:
        serves = served_chain(here)
        assert pair.renew() != serves
        for file in (pair.chain, pair.key):
            os.utime(file, (1e9, 1e9))
        watch = FileWatch(
            here.control.service._parts.releaser,
            here.control.workshop,
            SystemClock(),
            log=lambda _event, _text: None,
        )
        watch.one_of_several = True
        assert await watch.poll() is None
        assert served_chain(here) == serves
        notice = watch.notice()
        assert notice is not None
        assert (notice.code, "shop.pem" in notice.text) == ("files-left-behind", True)
        chain = pair.renew()
        assert await watch.poll() is not None
        assert served_chain(here) == chain
        assert await watch.poll() is None
        assert watch.notice() is None

    run(tmp_path, story)


def test_what_was_renewed_while_nobody_led_is_released(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        chain = pair.renew()
        watch = here.control.watch
        watch.one_of_several, watch._digest = True, ""
        assert await watch.poll() is not None
        assert served_chain(here) == chain

    run(tmp_path, story)


def test_a_renewal_that_was_refused_is_tried_again_by_itself(tmp_path: Path) -> None:
    async def story(here: World, pair: Pair) -> None:
        clock = HandClock()
        watch = FileWatch(
            here.control.service._parts.releaser,
            here.control.workshop,
            clock,
            log=lambda _event, _text: None,
        )
        serves = served_chain(here)
        await here.service.hands.freeze(DeedRequest(reason="a test"), ANN)
        chain = pair.renew()
        pauses = []
        for _ in range(3):
            flow = await watch.poll()
            assert flow is not None
            assert isinstance(flow.outcome, Refused)
            assert flow.outcome.code == "frozen"
            notice = watch.notice()
            assert notice is not None
            pauses.append(notice.remedy.split(";")[0])
            assert await watch.poll() is None
            clock.time_s += limits.FILES_RETRY_S_MIN * 2 ** len(pauses)
        assert pauses == [f"Seawall retries in {minutes} min" for minutes in (10, 20, 40)]
        assert served_chain(here) == serves
        await here.service.hands.unfreeze(DeedRequest(), ANN)
        assert await watch.poll() is not None
        assert served_chain(here) == chain
        assert watch.notice() is None

    run(tmp_path, story)
