"""The nodes' port against nodes that lie, replay, flood, are old, slow or strangers."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from clocks import AheadClock
from fleet.town import DIGEST, Town, live, report, town, window
from seawall import limits
from seawall.api.codec import to_json
from seawall.errors import NotFoundError, UnreachableError
from seawall.exchange import Address, Answer, Line
from seawall.fleet import gateway
from seawall.fleet.ca import SERVER_NAME
from seawall.fleet.shapes import NOW_HEADER, PROTOCOL_HEADER
from seawall.fleet.tls import client_context, unverified_context
from seawall.ids import Digest, Generation, NodeName, SiteName
from seawall.rollout.ports import NodeReport
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.origin_names import NamesReport, StaleName
from seawall.telemetry.window import SiteCounts

Result = TypeVar("Result")
NODE = NodeName("edge-1")
COUNTS = SiteCounts(1, 1, 0, 0, 0, 0)
SPOKEN = {PROTOCOL_HEADER: "1"}


def run(home: Path, story: Callable[[Town], Awaitable[Result]]) -> Result:
    return live(home, story, "edge-1")


async def ask(
    here: Town,
    method: str,
    target: str,
    *,
    body: object = None,
    headers: Mapping[str, str] = SPOKEN,
    name: str = "edge-1",
) -> Answer:
    """One raw request with a node's certificate."""
    [address] = here.identity(name).addresses()
    line = Line(address)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    try:
        return await line.ask(
            method,
            target,
            timeout_s=20,
            size_bytes_max=10**6,
            body=sent,
            headers=dict(headers),
        )
    finally:
        line.close()


async def tell(here: Town, said: NodeReport, **changes: Any) -> Answer:
    headers = {**SPOKEN, NOW_HEADER: str(here.clock.now_s()), **changes.pop("headers", {})}
    return await ask(here, "POST", "/v1/node/report", body=to_json(said) | changes, headers=headers)


def words(answer: Answer) -> str:
    found = json.loads(answer.body)
    return str(found.get("message") or " ".join(found["words"]))


def test_a_stranger_is_told_to_join_and_learns_nothing(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        authority = (here.home / "edge-1" / "identity" / "ca.pem").read_bytes()
        line = Line(Address("127.0.0.1", here.port, client_context(authority), SERVER_NAME))
        here.hand.assign(1)
        for method, target in (
            ("GET", "/v1/node/edge-1/assignment?known=0&wait_s=1"),
            ("GET", f"/v1/node/bundles/{DIGEST}"),
            ("POST", "/v1/node/report"),
            ("POST", "/v1/renew"),
        ):
            answer = await line.ask(
                method, target, timeout_s=5, size_bytes_max=10**5, headers=SPOKEN
            )
            assert answer.status == 401, (target, answer)
            assert "Only nodes with a certificate" in words(answer)
        line.close()

    run(tmp_path, story)


def test_a_certificate_of_another_authority_is_refused_in_the_handshake(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        async with town(tmp_path / "elsewhere") as other:
            await other.join("edge-1")
            home = other.home / "edge-1" / "identity"
            authority = (here.home / "edge-1" / "identity" / "ca.pem").read_bytes()
            context = client_context(authority, home / "node.pem", home / "node.key")
            line = Line(Address("127.0.0.1", here.port, context, SERVER_NAME))
            with pytest.raises(OSError, match=r"."):
                await line.ask("GET", "/v1/ca", timeout_s=5, size_bytes_max=10**5)

    run(tmp_path, story)


def test_only_tls_1_3_is_spoken(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await asyncio.open_connection("127.0.0.1", here.port, ssl=context)
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
        _, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=context)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.transport.abort()

    run(tmp_path, story)


def test_a_node_asks_and_reports_for_itself_only(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-2")
        here.hand.assign(1)
        answer = await ask(here, "GET", "/v1/node/edge-2/assignment?known=0&wait_s=1")
        assert answer.status == 422
        assert "may not ask for another node" in words(answer)
        answer = await tell(here, report("edge-2"))
        assert answer.status == 422
        assert "may not report for 'edge-2'" in words(answer)
        assert here.hand.reports == []

    run(tmp_path, story)


def test_groups_are_what_control_knows_and_not_what_a_node_says(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        assert (await tell(here, report("edge-1"), groups=["canary"])).status == 200
        assert here.hand.reports[-1].groups == ()

    run(tmp_path, story)


@pytest.mark.parametrize("spoken", ["", "0", "2", "x" * 500])
def test_another_version_of_the_protocol_is_refused_with_words(tmp_path: Path, spoken: str) -> None:
    async def story(here: Town) -> None:
        answer = await tell(here, report("edge-1"), headers={PROTOCOL_HEADER: spoken})
        assert answer.status == 422
        assert "speaks version" in words(answer)
        assert "Update the older" in json.loads(answer.body)["remedy"]

    run(tmp_path, story)


def test_an_older_node_is_heard_and_a_newer_one_too(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        old = to_json(report("edge-1"))
        for name in ("trial", "steering", "groups", "level", "listeners", "windows"):
            old.pop(name)
        headers = {**SPOKEN, NOW_HEADER: str(here.clock.now_s())}
        answer = await ask(here, "POST", "/v1/node/report", body=old, headers=headers)
        assert answer.status == 200
        assert here.hand.reports[-1].level == 0
        assert (await tell(here, report("edge-1"), colour="blue")).status == 200

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"generation": -1}, "`generation` is '-1'"),
        ({"generation": 2**60}, "`generation`"),
        ({"generation": "x"}, "expected a whole number"),
        ({"release": "r1'; DROP TABLE releases"}, "`release`"),
        ({"digest": "zz"}, "`digest`"),
        ({"phase": "perfect"}, "expected one of"),
        ({"envoy": {"pid": 1}}, "is required"),
        ({"last_known_good": ["../../etc"]}, "`release`"),
        ({"windows": 7}, "expected a list"),
        ({"bundle_format": -5}, "`bundle_format`"),
        ({"level": -1}, "`level`"),
        ({"agent_pid": -(10**40)}, "`agent_pid`"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused_with_words(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    async def story(here: Town) -> None:
        answer = await tell(here, report("edge-1"), **changes)
        assert answer.status == 400
        assert said in words(answer)
        assert here.hand.reports == []
        assert (await tell(here, report("edge-1"))).status == 200

    run(tmp_path, story)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'{"node": NaN}']
)
def test_a_body_that_is_no_report_ends_nothing(tmp_path: Path, body: bytes) -> None:
    async def story(here: Town) -> None:
        answer = await ask(here, "POST", "/v1/node/report", body=body or b" ")
        assert answer.status == 400
        assert (await tell(here, report("edge-1"))).status == 200

    run(tmp_path, story)


def test_windows_that_were_told_before_are_not_counted_twice(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        start_s = here.clock.now_s() - 30
        first = report("edge-1", window("edge-1", start_s), window("edge-1", start_s + 1))
        assert (await tell(here, first)).status == 200
        answer = await tell(here, report("edge-1", *first.windows, window("edge-1", start_s + 2)))
        assert words(answer) == "2 windows were rejected: they were reported before"
        assert [len(said.windows) for said in here.hand.reports] == [2, 1]

    run(tmp_path, story)


def test_windows_that_cannot_be_are_left_out_and_the_rest_is_heard(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        now_s = here.clock.now_s()
        good = window("edge-1", now_s - 10)
        bad = (
            window("edge-2", now_s - 20),
            window("edge-1", now_s - 20, slot="mine"),
            window("edge-1", now_s - 20, generation=99),
            window("edge-1", now_s + 3600),
            window("edge-1", now_s - 2 * limits.WINDOW_AGE_S_MAX),
            replace(window("edge-1", now_s - 20), duration_s=-1.0),
            replace(window("edge-1", now_s - 20), edge={"cpu_s": 1e300}),
            replace(window("edge-1", now_s - 20), sites={SiteName("\x1b[2Jshop"): COUNTS}),
        )
        answer = await tell(here, report("edge-1", *bad, good))
        assert answer.status == 200
        assert words(answer).count("were rejected") == len(bad) - 1  # two of them for one reason
        assert len(here.hand.reports[-1].windows) == 1
        assert (
            "report-doubted",
            f"{NODE}: 1 windows were rejected: they are too old",
        ) in here.said

    run(tmp_path, story)


def test_what_a_report_says_of_names_and_versions_is_bounded_and_printable(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        said = report("edge-1")
        assert said.envoy is not None
        envoy = replace(said.envoy, version="\x1b]0;x\x07" + "9" * 10**6)
        stale = StaleName("\x1b[2J.example", "no \x07 answer", ("\x1b[31m",) * 99, 1, 2)
        names = NamesReport(port=53, stale=99, names=(stale,) * 99)
        assert (await tell(here, replace(said, envoy=envoy, names=names))).status == 200
        kept = here.hand.reports[-1]
        assert kept.names is not None
        assert kept.envoy is not None
        assert "\x1b" not in json.dumps(to_json(kept), ensure_ascii=False)
        assert "\\u001b" not in json.dumps(to_json(kept))
        assert len(json.dumps(to_json(kept))) < 100_000
        assert len(kept.names.names) == limits.DNS_TOLD_NAMES_MAX
        for wrong in (replace(names, questions=-1), replace(names, remembered=10**30)):
            answer = await tell(here, replace(said, names=wrong))
            assert words(answer) == "its report on origin names was rejected: it is not valid"
            assert here.hand.reports[-1].names is None

    run(tmp_path, story)


def test_texts_of_a_report_are_bounded_and_printable(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        long = "x" * 10_000
        said = replace(report("edge-1", message="\x1b[2Jgone\0"), notices=(long,) * 500)
        assert (await tell(here, said)).status == 200
        heard = here.hand.reports[-1]
        assert heard.message == "\ufffd[2Jgone\ufffd"
        assert len(heard.notices) == limits.REPORT_TEXTS_MAX
        assert max(map(len, heard.notices)) == limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX

    run(tmp_path, story)


def test_strangers_who_hold_connections_keep_no_node_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NODE_STRANGERS_MAX", 3)
    monkeypatch.setattr(limits, "NODE_CONNECTIONS_MAX", 2)

    async def open_one(here: Town) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        tls = unverified_context()
        return await asyncio.open_connection("127.0.0.1", here.port, ssl=tls)

    async def story(here: Town) -> None:
        held = [await open_one(here) for _ in range(3)]
        held.append(await open_one(here))
        with contextlib.suppress(OSError):
            assert await held[3][0].read() == b"", "one too many"
        assert (await tell(here, report("edge-1"))).status == 200
        for _, writer in held[:3]:
            writer.write(b"GET /v1/ca HTTP/1.1\r\nHost: control\r\n\r\n")
        async with asyncio.timeout(10):
            answers = [await reader.read() for reader, _ in held[:3]]
        for _, writer in held:
            writer.close()
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), "and closed"
        await here.join("edge-2")

    run(tmp_path, story)


def test_a_node_that_holds_connections_keeps_no_other_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "NODE_CONNECTIONS_EACH_MAX", 3)
    monkeypatch.setattr(limits, "NODE_CONNECTIONS_MAX", 5)
    monkeypatch.setattr(limits, "NODE_STRANGERS_MAX", 1)

    async def story(here: Town) -> None:
        await here.join("edge-2")
        [address] = here.identity("edge-1").addresses()
        lines = [Line(address) for _ in range(6)]
        for line in lines:
            with contextlib.suppress(OSError):
                headers = dict(SPOKEN)
                await line.ask("GET", "/v1/ca", timeout_s=5, size_bytes_max=10**6, headers=headers)
        said = await ask(
            *(here, "POST", "/v1/node/report"),
            body=to_json(report("edge-2")),
            headers={**SPOKEN, NOW_HEADER: str(here.clock.now_s())},
            name="edge-2",
        )
        assert said.status == 200
        for line in lines:
            line.close()

    run(tmp_path, story)


def test_a_flood_is_held_off_and_others_are_heard(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-2")
        answers = [await tell(here, report("edge-1")) for _ in range(limits.REPORTS_BURST_MAX + 20)]
        statuses = [answer.status for answer in answers]
        assert 503 in statuses
        assert statuses.index(503) >= limits.REPORTS_BURST_MAX
        refused = answers[statuses.index(503)]
        assert 1 <= int(refused.headers["retry-after"]) <= limits.RETRY_AFTER_S_MAX
        control = here.control("edge-2")
        await control.report(report("edge-2"))

    run(tmp_path, story)


def test_a_body_over_the_bound_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        headers = {**SPOKEN, "Content-Length": str(limits.NODE_REPORT_SIZE_BYTES_MAX + 1)}
        answer = await ask(here, "POST", "/v1/node/report", headers=headers)
        assert answer.status == 413
        answer = await ask(here, "POST", "/v1/renew", body=b"x" * 70_000)
        assert answer.status == 413

    run(tmp_path, story)


def test_large_reports_at_once_are_bounded_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPORT_BYTES_IN_FLIGHT_MAX", 10_000)

    async def story(here: Town) -> None:
        [address] = here.identity("edge-1").addresses()
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", here.port, ssl=address.tls, server_hostname=SERVER_NAME
        )
        writer.write(
            b"POST /v1/node/report HTTP/1.1\r\nhost: x\r\nx-seawall-protocol: 1\r\n"
            b"content-length: 9500\r\n\r\n{"
        )
        await writer.drain()
        async with asyncio.timeout(20):
            while (await tell(here, report("edge-1", message="y" * 600))).status != 503:
                here.clock.ahead_s += 10  # the bound of one node's reports is not what is tried
        writer.transport.abort()
        async with asyncio.timeout(20):
            while (await tell(here, report("edge-1"))).status != 200:
                here.clock.ahead_s += 10
        del reader

    run(tmp_path, story)


def test_the_clock_of_a_node_may_be_wrong(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        behind = AheadClock(-300.0)
        control = here.control("edge-1", clock=behind)
        await control.report(report("edge-1", window("edge-1", behind.now_s() - 5)))
        [heard] = here.hand.reports[-1].windows
        assert abs(heard.start_s - (here.clock.now_s() - 5)) < 2
        assert ("control-says", "This machine's clock is 300 s behind control's.") in here.said

    run(tmp_path, story)


def test_a_bundle_is_read_once_for_all_who_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BUNDLE_DOWNLOADS_EACH_MAX", 20)

    async def story(here: Town) -> None:
        bundle = bytes(range(256)) * 4_000
        here.hand.bundles[DIGEST] = bundle
        controls = [here.control("edge-1", seed=seed) for seed in range(20)]
        found = await asyncio.gather(*(control.bundle(DIGEST) for control in controls))
        assert set(found) == {bundle}
        assert here.hand.bundle_reads == 1
        with pytest.raises(NotFoundError):
            await controls[0].bundle(Digest("cd" * 32))

    run(tmp_path, story)


async def begun(here: Town) -> asyncio.StreamWriter:
    """A download that has begun and is not read any further."""
    [address] = here.identity("edge-1").addresses()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", here.port, ssl=address.tls, server_hostname=SERVER_NAME, limit=1024
    )
    target = f"GET /v1/node/bundles/{DIGEST} HTTP/1.1\r\nhost: x\r\n{PROTOCOL_HEADER}: 1\r\n\r\n"
    writer.write(target.encode())
    await reader.readuntil(b"\r\n\r\n")
    return writer


def test_downloads_over_the_bound_come_again_a_little_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BUNDLE_DOWNLOADS_MAX", 1)
    monkeypatch.setattr(limits, "RETRY_AFTER_S_MAX", 1)

    async def story(here: Town) -> None:
        here.hand.bundles[DIGEST] = bytes(40 * limits.MIB)
        unread = await begun(here)
        control = here.control("edge-1")
        fetching = asyncio.ensure_future(control.bundle(DIGEST))
        answer = await ask(here, "GET", f"/v1/node/bundles/{DIGEST}")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        unread.transport.abort()
        assert len(await fetching) == 40 * limits.MIB

    run(tmp_path, story)


def test_a_reader_that_is_too_slow_loses_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BUNDLE_DOWNLOAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr(limits, "BUNDLE_DOWNLOADS_MAX", 1)

    async def story(here: Town) -> None:
        here.hand.bundles[DIGEST] = bytes(40 * limits.MIB)
        small = Digest("ef" * 32)
        here.hand.bundles[small] = b"small"
        unread = await begun(here)
        async with asyncio.timeout(20):
            while (await ask(here, "GET", f"/v1/node/bundles/{small}")).status != 200:
                pass
        unread.transport.abort()

    run(tmp_path, story)


def test_a_control_process_that_does_not_lead_says_who_does(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        here.lead.leading, here.lead.leader = False, "10.9.8.7:7443"
        here.hand.assign(5)
        control = here.control("edge-1")
        found = await control.assignment(NODE, Generation(0), 1)
        assert found == here.hand.assigned
        answer = await tell(here, report("edge-1"))
        assert answer.status == 421
        assert json.loads(answer.body)["leader"] == "10.9.8.7:7443"

    run(tmp_path, story)


def test_a_node_follows_to_the_control_process_that_leads(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        async with town(tmp_path, store=here.store) as other:
            here.lead.leading, here.lead.leader = False, f"127.0.0.1:{other.port}"
            control = here.control("edge-1")
            await control.report(report("edge-1"))
            assert [said.node for said in other.hand.reports] == ["edge-1"]
            assert here.hand.reports == []
            # The leader changes back: the node finds it again.
            here.lead.leading, here.lead.leader = True, ""
            other.lead.leading, other.lead.leader = False, f"127.0.0.1:{here.port}"
            await control.report(report("edge-1", message="again"))
            assert [said.message for said in here.hand.reports] == ["again"]

    run(tmp_path, story)


def test_what_nobody_expected_is_logged_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with town(tmp_path) as here:
            await here.join("edge-1")

            async def fail(_: NodeReport) -> None:
                raise ValueError("a defect")

            monkeypatch.setattr(here.hand, "report", fail)
            assert (await tell(here, report("edge-1"))).status == 500
            monkeypatch.undo()
            assert (await tell(here, report("edge-1"))).status == 200

    with pytest.raises(AssertionError, match="a defect"):
        asyncio.run(story())


def test_a_quiet_node_reports_less_often_and_says_what_is_new_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "quiet_s", lambda _nodes: 9.0)

    async def story(here: Town) -> None:
        clock = AheadClock()
        control = here.control("edge-1", clock=clock)
        await control.report(report("edge-1"))
        with pytest.raises(UnreachableError, match="Nothing new"):
            await control.report(report("edge-1"))
        await control.report(report("edge-1", message="something"))
        clock.ahead_s += 9.5
        here.clock.ahead_s += 9.5
        await control.report(report("edge-1", message="something"))
        assert len(here.hand.reports) == 3

    run(tmp_path, story)


def test_a_poll_that_knows_the_newest_waits_and_ends_empty(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        here.hand.assign(4)
        control = here.control("edge-1")
        assert await control.assignment(NODE, Generation(4), 0.1) is None
        answer = await ask(here, "GET", "/v1/node/edge-1/assignment?known=x")
        assert answer.status == 400
        answer = await ask(here, "GET", "/v1/node/edge-1/assignment?known=1&wait_s=nan")
        assert answer.status == 400

    run(tmp_path, story)


def test_counts_of_bots_that_cannot_be_are_left_out_and_the_report_is_heard(
    tmp_path: Path,
) -> None:
    async def story(here: Town) -> None:
        counted = BotSample(records=40, handshakes=40, unknown=3)
        answer = await tell(here, replace(report("edge-1"), bots=counted))
        assert words(answer) == ""
        answer = await tell(here, replace(report("edge-1"), bots=BotSample(records=10**9)))
        assert "bot counts were rejected" in words(answer)
        answer = await tell(here, report("edge-1"))  # as an older node does
        assert [each.bots for each in here.hand.reports] == [counted, None, None]

    run(tmp_path, story)
