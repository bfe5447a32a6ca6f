"""Writes what this version of Seawall stores, for every later version to load.

    PYTHONPATH=src:tests python -m release.history

writes one folder below `tests/golden/history`, named by the store's schema and the formats of
bundle, envelope and bot model, unless it is there. A folder is never written again once its version
was released: it is the proof that what a user has on disk stays loadable.
"""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from clocks import HandClock
from gate import made as compiled
from release import made
from seawall.bots import artifact
from seawall.ids import Generation, ListName, NodeName, ReleaseId, SiteName
from seawall.model import DEFAULT_POLICY, Feature, Golden, Switch
from seawall.release import bundle, envelope
from seawall.release.bundle import Bundle, FileDigest, encode
from seawall.release.ledger import Scope
from seawall.release.migrations import REVISIONS
from seawall.release.release import Kind
from seawall.release.store import Store
from seawall.release.waiting import WaitingFeed
from seawall.rollout import orders
from seawall.rollout.book import Book
from seawall.rollout.ports import Trial
from seawall.rollout.state import Basis, Freeze, Pass, Speed, Stage, Target
from seawall.site.sources import BOT_MODEL, Pushed, SourceFile, SourceSet
from step_models import step_content

HISTORY = Path(__file__).parents[1] / "golden" / "history"
CURRENT = (
    f"schema-{REVISIONS[-1]}-bundle-{bundle.FORMAT}-envelope-{envelope.FORMAT}"
    f"-model-{artifact.FORMAT}"
)
WAITING = WaitingFeed(
    ListName("bad-clients"),
    b"192.0.2.0/24\n203.0.113.0/24\n",
    "ranges",
    "Ä list",
    1_700_000_600.0,
    force=("networks-added",),
)


def content(kind: Kind, sites: int) -> Bundle:
    text = f"version: 1\n# {sites} sites\n".encode()
    model = step_content()
    return Bundle(
        kind=kind,
        sources=SourceSet("/srv/seawall.yaml", (SourceFile("/srv/seawall.yaml", text),)),
        files=(FileDigest("/srv/errors/5xx.html", "0f" * 32),),
        snapshot=compiled.snapshot(sites, 2, model=model),
        seawall_version="0.1.0",
        envoy_version="1.40.0",
        switches=(Switch(Feature.RETRIES, SiteName("shop"), 1_700_001_800.0, "Stürme", "ada"),),
        golden=(
            Golden(SiteName("shop"), "shop.example.com", "/?q=1", status=(200, 304), contains="ä"),
        ),
        policy=replace(DEFAULT_POLICY, steps=DEFAULT_POLICY.steps[1:], bake_s=60.0),
        feeds=(Pushed(ListName("bad-clients"), b"192.0.2.0/24\n"), Pushed(BOT_MODEL, model)),
    )


def _roll_out(store: Store, clock: HandClock) -> None:
    """r1, again, is in the second step of its canary on top of r3."""
    book = Book(store.database, clock)
    newest, _, oldest = store.list()
    fleet = book.load()
    target = Target(newest.id, newest.digest, 15.0)
    order = orders.Order(
        oldest.id, oldest.digest, DEFAULT_POLICY, Speed.CONFIG, "ada", newest.id, "because"
    )
    ordered = orders.start(replace(fleet, target=target), order, 1, clock.now_s())
    (waiting,) = ordered.fleet.rollouts
    running = replace(
        waiting,
        stage=Stage.CANARY,
        step=2,
        before=target,
        members=(NodeName("local"),),
        passed=(
            Pass(1, 0, Basis.TASTED, "3 golden requests", clock.now_s(), Generation(1)),
            Pass(1, 1, Basis.HEALTHY, "0 of 400 failed", clock.now_s(), Generation(2)),
        ),
        step_generation=Generation(3),
    )
    trial = Trial(oldest.id, oldest.digest, 100)
    told = replace(fleet.assigned[NodeName("local")], trial=trial)
    following = replace(
        ordered.fleet,
        generation=Generation(3),
        rollouts=(running,),
        assigned={told.node: told},
        frozen=Freeze("ada", "a quiet evening", clock.now_s()),
    )
    book.write(replace(ordered, fleet=following, assignments=(told,)))


def write(directory: Path) -> None:
    directory.mkdir(parents=True)
    signer = made.key()
    clock = HandClock()
    (directory / "trusted.pub").write_bytes(signer.public.pem)
    with Store(directory / "seawall.db", clock=clock) as store:
        parent: ReleaseId | None = None
        for number, kind in enumerate((Kind.SITE, Kind.FEED, Kind.SWITCH), 1):
            clock.time_s += 60
            record = store.add(
                content(kind, number),
                signer=signer,
                author="ada",
                message=f"Änderung {number}",
                parent=parent,
                gate_report='{"stages":[],"forced":[]}',
            )
            store.assign(NodeName("local"), record.id, parent, actor="ada", bake_s=30)
            parent = record.id
        newest = store.list()[0]
        store.quarantine(store.list()[1].digest, "Envoy refused it", actor="node local")
        store.set_last_known_good(NodeName("local"), [newest.id])
        store.tokens.create("ci", frozenset({Scope.READ}), actor="ada")
        store.meta.set("example", "kept")
        store.waiting.keep(WAITING)
        _roll_out(store, clock)
        (directory / "newest.envelope").write_bytes(store.envelope(newest.digest))
    (directory / "newest.bundle").write_bytes(encode(content(Kind.SWITCH, 3)))
    with closing(sqlite3.connect(directory / "seawall.db")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")


def main() -> None:
    if not (HISTORY / CURRENT).exists():
        write(HISTORY / CURRENT)


if __name__ == "__main__":
    main()
