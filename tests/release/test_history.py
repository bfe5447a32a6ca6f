"""Whatever an earlier version stored is loaded, verified, checked, and taken by Envoy."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from clocks import HandClock
from gate import made as gate
from release import made
from release.history import CURRENT, HISTORY, WAITING, write
from seawall.bots import artifact
from seawall.bots.features import from_text
from seawall.compiler.check import check
from seawall.compiler.model_words import model_of
from seawall.ids import NodeName
from seawall.release.bundle import (
    Bundle,
    decode,
    digest_of,
    encode,
    files_digest,
    files_digest_of,
)
from seawall.release.envelope import compress, head, open_envelope
from seawall.release.signing import load_public_key
from seawall.release.store import Store
from seawall.rollout.book import Book
from seawall.site.sources import BOT_MODEL

VERSIONS = sorted(entry for entry in HISTORY.iterdir() if entry.is_dir())


def _usable(bundle: Bundle, work_dir: Path) -> None:
    check(bundle.snapshot)
    gate.validate(gate.validator(), bundle.snapshot, work_dir).require_accepted()


def test_the_current_formats_are_in_the_history() -> None:
    assert CURRENT in {version.name for version in VERSIONS}, (
        "a schema or format changed: run `PYTHONPATH=src:tests python -m release.history`"
    )


def test_the_history_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / CURRENT)
    assert {entry.name for entry in (tmp_path / CURRENT).iterdir()} == {
        entry.name for entry in (HISTORY / CURRENT).iterdir()
    }


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_stored_bundle_and_envelope_still_open(version: Path, tmp_path: Path) -> None:
    encoded = (version / "newest.bundle").read_bytes()
    key = load_public_key(version / "trusted.pub")
    record, bundle = open_envelope((version / "newest.envelope").read_bytes(), key)
    assert decode(encoded) == bundle
    assert digest_of(encoded) == record.digest
    assert record.message == "Änderung 3"
    assert encode(bundle) == encoded
    written = files_digest(file.content for file in bundle.sources.files)
    assert files_digest_of(head(compress(encoded))) == written
    _usable(bundle, tmp_path)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_stored_database_is_still_a_whole_store(version: Path, tmp_path: Path) -> None:
    key = load_public_key(version / "trusted.pub")
    shutil.copy(version / "seawall.db", tmp_path / "seawall.db")
    with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
        records = store.list()
        assert [record.id for record in records] == ["r3", "r2", "r1"]
        assert records[1].quarantined == "Envoy refused it"
        for record in records:
            opened, bundle = open_envelope(store.envelope(record.digest), key)
            assert opened.id == record.id
            assert decode(store.bundle_bytes(record.digest)) == bundle
            check(bundle.snapshot)
        assigned = store.assignment(NodeName("local"))
        assert assigned is not None
        assert (assigned.release, assigned.previous, assigned.generation) == ("r3", "r2", 3)
        assert [token.name for token in store.tokens.list()] == ["ci"]
        assert store.meta.get("example") == "kept"
        assert len(store.audit.entries()) == 8
        added = store.add(bundle, signer=made.key(), author="eve", message="", parent=records[0].id)
        assert added.id == "r4"


@pytest.mark.parametrize(
    "version",
    [version for version in VERSIONS if "-model-" in version.name],
    ids=lambda version: version.name,
)
def test_a_stored_bot_model_still_reads_and_gives_its_scores(version: Path) -> None:
    bundle = decode((version / "newest.bundle").read_bytes())
    (content,) = (feed.content for feed in bundle.feeds if feed.name == BOT_MODEL)
    model = artifact.read(content)
    compiled = model_of(bundle.snapshot)
    assert compiled is not None
    assert not compiled.wrong_golden()
    for golden in model.golden:
        codes = from_text(golden.vector)
        assert codes is not None
        assert compiled.score(codes) == model.score(codes) == golden.score


ROLLOUTS_SINCE = "schema-0003"


@pytest.mark.parametrize(
    "version",
    [version for version in VERSIONS if version.name >= ROLLOUTS_SINCE],
    ids=lambda version: version.name,
)
def test_a_rollout_that_an_earlier_version_left_goes_on(version: Path, tmp_path: Path) -> None:
    shutil.copy(version / "seawall.db", tmp_path / "seawall.db")
    with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
        fleet = Book(store.database, HandClock()).load()
        running = fleet.running
        assert running is not None
        assert (running.release, running.stage, running.step) == ("r1", "canary", 2)
        assert [passed.basis for passed in running.passed] == ["tasted", "healthy"]
        assert running.policy.steps[1].share_permille == 100
        assert fleet.target == running.before
        assert fleet.frozen is not None
        trial = fleet.assigned[NodeName("local")].trial
        assert trial is not None
        assert trial.share_permille == 100


WAITING_SINCE = "schema-0004"


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_a_push_that_waited_in_an_earlier_version_still_waits(
    version: Path, tmp_path: Path
) -> None:
    shutil.copy(version / "seawall.db", tmp_path / "seawall.db")
    with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
        waited = [replace(WAITING, number=1)] if version.name >= WAITING_SINCE else []
        assert list(store.waiting.all()) == waited
