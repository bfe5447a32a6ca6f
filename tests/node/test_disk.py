"""What the node remembers, on disks that fail in every way."""

import hashlib
import json
from pathlib import Path

import pytest

from node.support import edge, make_node
from seawall.compiler.names import RUNTIME_ACCESS_LOG_NODE_SAMPLE, RUNTIME_NODE_DIRECTORY
from seawall.compiler.snapshot import TypeUrl
from seawall.errors import RefusedError, UnreachableError
from seawall.ids import Digest, Generation, ReleaseId
from seawall.node.envoy import BOOTSTRAP_FILE, Slot
from seawall.node.files import write_atomic
from seawall.node.lastgood import Bundles, trusting
from seawall.node.stamp import stamp
from seawall.node.state import FailedTrial, NodeState, Served, StateFile
from seawall.rollout.ports import Assignment, Trial
from seawall.telemetry.recording import Kinds, Recording
from small_disk import small_disk

ONE = Served(ReleaseId("r1"), Digest("1" * 64), Generation(1))
TWO = Served(ReleaseId("r2"), Digest("2" * 64), Generation(2))


def test_state_survives_a_restart(tmp_path: Path) -> None:
    state = NodeState(Generation(2), TWO, None, (TWO, ONE), "words", 3.5)
    StateFile(tmp_path).save(state)
    assert StateFile(tmp_path).load() == (state, ())
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_the_accepted_assignment_and_a_failed_trial_survive_a_restart(tmp_path: Path) -> None:
    trial = Trial(TWO.release, TWO.digest, 100, baseline=False, taste_deadline_s=9.0)
    state = NodeState(
        Generation(3),
        ONE,
        assignment=Assignment(Generation(3), ONE.release, ONE.digest, 2.5, trial),
        failed=FailedTrial(TWO.digest, Generation(3), "it hung", blames_content=True),
        attempts=2,
    )
    StateFile(tmp_path).save(state)
    assert StateFile(tmp_path).load() == (state, ())
    assert state.needed() == {ONE.digest, TWO.digest}


def test_a_state_of_the_first_schema_is_read_as_finished(tmp_path: Path) -> None:
    body = json.dumps(
        {
            "generation": 2,
            "serving": {"release": "r2", "digest": TWO.digest, "generation": 2},
            "attempting": None,
            "good": [],
            "message": "",
            "bake_s": 3.5,
        }
    )
    seal = hashlib.sha256(body.encode()).hexdigest()
    (tmp_path / "state.json").write_text(json.dumps({"schema": 1, "sha256": seal, "state": body}))
    state, problems = StateFile(tmp_path).load()
    assert problems == ()
    assert state == NodeState(Generation(2), TWO, bake_s=3.5)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 99}', b"x" * 1_000_000],
    ids=["empty", "cut", "list", "null", "bytes", "newer-schema", "huge"],
)
def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path, content: bytes) -> None:
    file = StateFile(tmp_path)
    file.save(NodeState(generation=Generation(1), serving=ONE))
    file.save(NodeState(generation=Generation(2), serving=TWO))
    (tmp_path / "state.json").write_bytes(content)
    state, problems = StateFile(tmp_path).load()
    assert state.generation == 1
    assert "state.json" in problems[0]


def test_a_changed_byte_of_the_state_is_noticed(tmp_path: Path) -> None:
    StateFile(tmp_path).save(NodeState(generation=Generation(1), serving=ONE))
    path = tmp_path / "state.json"
    outer = json.loads(path.read_text())
    outer["state"] = outer["state"].replace('"generation":1', '"generation":9')
    path.write_text(json.dumps(outer))
    state, problems = StateFile(tmp_path).load()
    assert state == NodeState()
    assert "checksum" in problems[0]


def test_nothing_on_disk_is_an_empty_memory_and_no_problem(tmp_path: Path) -> None:
    assert StateFile(tmp_path).load() == (NodeState(), ())


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    (tmp_path / ".file.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("character", ["\xff", '"', "\U0001f9f1"])
def test_words_of_any_length_cost_no_memory(tmp_path: Path, character: str) -> None:
    words = character * 200_000  # as of an origin whose redirects go on and on
    failed = FailedTrial(TWO.digest, Generation(2), words, blames_content=True)
    state = NodeState(Generation(2), ONE, None, (ONE,), words, failed=failed)
    StateFile(tmp_path).save(state)
    again, problems = StateFile(tmp_path).load()
    assert problems == ()
    assert (again.generation, again.serving, again.good) == (Generation(2), ONE, (ONE,))
    assert again.failed is not None
    assert again.message == again.failed.message
    assert words.startswith(again.message)
    assert len(again.message) > 1_000


def test_what_a_killed_agent_left_of_a_release_goes(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path, trusting(tmp_path / "trusted.pub"))
    bundles.save(ONE.digest, b"kept")
    left = tmp_path / f".{TWO.digest}.bundle.new"  # as `write_atomic` calls it until it is whole
    left.write_bytes(b"half")
    bundles.keep_only([ONE.digest])
    assert [path.name for path in tmp_path.iterdir()] == [f"{ONE.digest}.bundle"]


def test_a_promoted_release_stands_first_and_only_once() -> None:
    state = NodeState(good=(TWO, ONE))
    assert state.promoted(ONE, 3) == (ONE, TWO)
    assert state.promoted(TWO, 1) == (TWO,)


def test_every_changed_byte_of_a_kept_release_is_noticed(tmp_path: Path) -> None:
    releaser = make_node(tmp_path).releaser
    release, digest, envelope = releaser.release(edge(1, "one"))
    bundles = Bundles(tmp_path / "bundles", trusting(tmp_path / "node" / "trusted.pub"))
    bundles.save(digest, envelope)
    served = Served(release, digest, Generation(1))
    assert bundles.load(served).served == served
    path = next((tmp_path / "bundles").iterdir())
    for position in range(0, len(envelope), 37):
        damaged = bytearray(envelope)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        with pytest.raises(RefusedError):
            bundles.load(served)


def test_another_release_under_a_digest_is_refused(tmp_path: Path) -> None:
    releaser = make_node(tmp_path).releaser
    _, _, one = releaser.release(edge(1, "one"))
    release, digest, _ = releaser.release(edge(1, "two"))
    bundles = Bundles(tmp_path / "bundles", trusting(tmp_path / "node" / "trusted.pub"))
    bundles.save(digest, one)
    with pytest.raises(RefusedError, match="was assigned"):
        bundles.load(Served(release, digest, Generation(1)))


def test_a_release_that_is_not_there_is_unreachable_and_a_digest_is_no_path(
    tmp_path: Path,
) -> None:
    bundles = Bundles(tmp_path, trusting(tmp_path / "trusted.pub"))
    with pytest.raises(UnreachableError):
        bundles.load(ONE)
    with pytest.raises(RefusedError):
        bundles.load(Served(ReleaseId("r1"), Digest("../../etc/passwd"), Generation(1)))


def test_a_stamp_names_the_release_in_every_host_and_changes_nothing_else() -> None:
    before = edge(1, "one")
    after = stamp(before, ReleaseId("r7"))
    for old, new in zip(before.resources, after.resources, strict=True):
        if old.type_url is TypeUrl.ROUTES:
            assert b"r7" in new.body
            assert new.version != old.version
        else:
            assert new is old
    assert stamp(before, ReleaseId("r7")).digest == after.digest


def test_a_bootstrap_is_written_on_a_full_disk_in_the_room_of_the_one_before(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "full") as disk:
        slot = Slot("a", disk.path / "a", disk.path / "access")
        slot.prepare(b"x" * 3_000)
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            write_atomic(slot.directory / BOOTSTRAP_FILE, b"y" * 3_000)
        slot.prepare(b"x" * 3_000)
        slot.prepare(b"y" * 3_000)
        assert (slot.directory / BOOTSTRAP_FILE).read_bytes() == b"y" * 3_000
        assert [*slot.directory.glob(".*")] == []


def test_a_start_in_a_slot_forgets_which_share_of_requests_was_recorded_there(
    tmp_path: Path,
) -> None:
    slot = Slot("a", tmp_path / "a", tmp_path / "access")
    slot.prepare(b"x")
    Recording(slot.directory).follow(Kinds(ordinary=100_000))
    share = slot.directory / RUNTIME_NODE_DIRECTORY / RUNTIME_ACCESS_LOG_NODE_SAMPLE
    assert share.read_text() == "1000"
    slot.prepare(b"x")
    assert not share.exists()
