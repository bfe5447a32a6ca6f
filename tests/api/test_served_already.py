"""What serves already keeps nobody from a change of something else."""

import asyncio
from pathlib import Path

import pytest

from seawall.api.extras import AS_CURRENT, Extras
from seawall.api.progress import ReleaseRefusedError
from seawall.api.work import Prepared
from seawall.api.workbench import Workbench
from seawall.clock import SystemClock
from seawall.model import Feature, Switch
from seawall.release.bundle import decode
from seawall.release.release import Kind
from seawall.site.sources import SourceFile, SourceSet
from tls_material import TlsAuthority

DAY_S = 86_400.0
AUTHORITY = TlsAuthority()
HEAD = "version: 1\nlisten: {http: 127.0.0.1:18080, https: 127.0.0.1:18443}\n"
SITE = "sites:\n  shop: {hosts: [shop.example.com], %s}\n"


class Turned(SystemClock):
    """The machine's clock, days ahead."""

    ahead_days = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.ahead_days * DAY_S


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Turned]:
    monkeypatch.setattr("seawall.api.workbench.SystemClock", Turned)
    monkeypatch.setattr(Turned, "ahead_days", 0.0)
    return Turned


class Shop:
    """Two sites, each with a certificate of its own, and a workbench."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bench = Workbench(folder / "control" / "bench", lambda *_: None)
        self.current: bytes | None = None
        for name, days in (("one", 20), ("two", 90)):
            self.renew(name, days)

    def renew(self, name: str, days: float) -> None:
        chain, key = AUTHORITY.issue(f"{name}.example.com", days=int(days))
        (self.folder / f"{name}.pem").write_bytes(chain)
        (self.folder / f"{name}.key").write_bytes(key)
        (self.folder / f"{name}.key").chmod(0o600)

    def sources(self, timeout: str = "15s") -> SourceSet:
        sites = "".join(
            f"  {name}: {{hosts: [{name}.example.com], origin: 'http://127.0.0.1:9', "
            f"timeout: {timeout}, tls: {{cert: {name}.pem, key: {name}.key}}}}\n"
            for name in ("one", "two")
        )
        path = str(self.folder / "seawall.yaml")
        return SourceSet(path, (SourceFile(path, f"{HEAD}sites:\n{sites}".encode()),))

    def released(
        self, sources: SourceSet, kind: Kind = Kind.SITE, extras: Extras = AS_CURRENT
    ) -> Prepared:
        made = asyncio.run(
            self.bench.prepare(sources, kind, (), self.current, validate_same=False, extras=extras)
        )
        self.current = made.bundle
        return made

    def refusal(self, sources: SourceSet, kind: Kind = Kind.SITE) -> tuple[str, list[str]]:
        with pytest.raises(ReleaseRefusedError) as refused:
            self.released(sources, kind)
        found = refused.value.problems
        return refused.value.code, [one.id for one in found if one.severity == "error"]

    def renewal_problem(self) -> str:
        assert self.current is not None
        facts = asyncio.run(self.bench.facts(self.current))
        return asyncio.run(self.bench.renewal_problem(facts))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.released(made.sources())
    return made


def _thrown(now_s: float) -> Extras:
    switch = Switch(Feature.BOTS, None, now_s + 3600, "it blocks everybody", "ann")
    return Extras(on=switch, pinned=True)


@pytest.mark.parametrize("days", [30.0, -30.0], ids=["expired", "clock set back"])
def test_a_certificate_over_which_time_has_passed_holds_up_no_kill_switch(
    shop: Shop, clock: type[Turned], days: float
) -> None:
    clock.ahead_days = days
    made = shop.released(shop.sources(), Kind.SWITCH, _thrown(clock().now_s()))
    [warning, *_] = [one for one in made.warnings if one.id == "certificate-expired"]
    assert "It serves already, so no other change waits for it." in warning.what
    assert [switch.feature for switch in decode(made.bundle).switches] == [Feature.BOTS]


def test_nor_a_change_of_the_site_file_nor_another_certificate(
    shop: Shop, clock: type[Turned]
) -> None:
    clock.ahead_days = 30
    assert not shop.released(shop.sources("30s")).same
    shop.renew("two", 120)
    assert shop.renewal_problem() == ""
    assert not shop.released(shop.sources("30s"), Kind.CERTIFICATES).same


def test_check_compares_as_a_release_does(shop: Shop, clock: type[Turned]) -> None:
    clock.ahead_days = 30

    def severity(current: bytes | None) -> str:
        view = asyncio.run(shop.bench.check(shop.sources("30s"), current, full=False))
        [found] = [one for one in view.problems if one.id == "certificate-expired"]
        assert view.ok == (found.severity == "warning")
        return found.severity

    assert severity(shop.current) == "warning"
    assert severity(None) == "error"


def test_one_that_is_new_and_has_expired_is_refused(shop: Shop, clock: type[Turned]) -> None:
    clock.ahead_days = 30
    shop.renew("one", 25)
    assert "The certificate expired on" in shop.renewal_problem()
    assert shop.refusal(shop.sources()) == ("site-file-refused", ["certificate-expired"])


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("routes: [{name: a, path: /, respond: {status: 204, body: x}}]", "answer-without-body"),
        ("routes: [{name: a, prefix: /a, redirect: {to: /x, prefix: /y}}]", "redirect-twice"),
        ("origin: 'http://127.0.0.1:18080'", "origin-loop"),
        ("origin: 'http://a:1', headers: {response: {set: {server: x}}}", "header-overwritten"),
        ("origin: 'http://a:1'", "missing-version"),
        ("origin: 'http://a:1', headers: {request: {set: {X-A: b, x-a: c}}}", "header-twice"),
        (
            "routes: [{name: a, prefix: /a, respond: {}}, {name: b, regex: /a/b, respond: {}}]",
            "unreachable-route",
        ),
    ],
)
def test_a_rule_that_is_younger_than_the_release_holds_up_no_kill_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, problem: str
) -> None:
    shop = Shop(tmp_path)
    text = HEAD.replace(", https: 127.0.0.1:18443", "") + SITE % written
    if problem == "missing-version":
        text = text.replace("version: 1\n", "")
    sources = SourceSet("/a.yaml", (SourceFile("/a.yaml", text.encode()),))
    assert shop.refusal(sources) == ("site-file-refused", [problem])
    with monkeypatch.context() as older:
        older.setattr("seawall.site.load.run_rules", lambda _draft: [])
        shop.released(sources)
    made = shop.released(sources, Kind.SWITCH, _thrown(SystemClock().now_s()))
    assert problem in {one.id for one in made.warnings}
    other = SourceSet("/a.yaml", (SourceFile("/a.yaml", text.encode() + b"\n"),))
    assert shop.refusal(other) == ("site-file-refused", [problem])
