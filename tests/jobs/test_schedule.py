"""When a job runs, on clocks that are moved by hand: no storm, no overlap, and never forgotten."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.jobs import schedule
from seawall.jobs.memory import BROKEN, Ending, Memory, Outcome, from_text, outcome_of, to_text

DAY = 86_400.0
START_S = 1_800_000_000.0
RUN_S = 60.0
ENDINGS = st.sampled_from([Ending.RELEASED, Ending.UNCHANGED, Ending.REFUSED, Ending.FAILED])


@dataclass
class Life:
    """Control processes one after another, with one job, polled as control does.

    Attributes:
        starts: monotonic seconds of starts; monotonic time goes on over processes here.
        ends: likewise of ends.
    """

    every_s: float = DAY
    wall_s: float = START_S
    real_s: float = 0.0
    up_since_s: float = 0.0
    memory: Memory = field(default_factory=Memory)
    quiet_since_s: float | None = None
    starts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    ending: Ending = Ending.UNCHANGED
    chance: float = 0.5

    @property
    def now(self) -> schedule.Now:
        return schedule.Now(self.wall_s, self.real_s - self.up_since_s, self.chance)

    def passes(self, duration_s: float) -> None:
        self.wall_s += duration_s
        self.real_s += duration_s

    def restarts(self) -> None:
        self.up_since_s, self.quiet_since_s = self.real_s, None
        self.memory = schedule.cut_off(from_text(to_text(self.memory)), self.every_s, self.now)

    def poll(self, *, dies: bool = False) -> bool:
        self.memory = schedule.planned(self.memory, self.every_s, self.now)
        quiet_s = None if self.quiet_since_s is None else self.real_s - self.quiet_since_s
        if not schedule.may_start(self.memory, self.now, quiet_s):
            return False
        self.starts.append(self.real_s)
        self.memory = schedule.begun(self.memory, self.now)
        self.passes(RUN_S)
        if dies:
            self.restarts()
            return True
        outcome = Outcome(self.ending, "code", "Words.")
        self.memory = schedule.ended(self.memory, outcome, self.every_s, self.now)
        self.quiet_since_s = self.real_s
        self.ends.append(self.real_s)
        return True

    def until_start(self, most_s: float) -> float:
        """Seconds until the job starts, looked at every poll."""
        waited_s = 0.0
        while not self.poll():
            assert waited_s <= most_s, "the job never starts"
            self.passes(limits.JOB_POLL_S)
            waited_s += limits.JOB_POLL_S
        return waited_s


def test_a_job_that_is_switched_on_runs_soon_and_then_every_period() -> None:
    life = Life()
    first_s = life.until_start(3 * limits.JOB_GRACE_S)
    assert first_s >= limits.JOB_GRACE_S
    for _ in range(3):
        waited_s = life.until_start(2 * DAY)
        assert DAY <= waited_s <= DAY + limits.JOB_SPREAD_S_MAX + limits.JOB_POLL_S


def test_after_failures_it_comes_sooner_each_time_later_up_to_its_period() -> None:
    life = Life(ending=Ending.FAILED, chance=0.0)
    life.until_start(3 * limits.JOB_GRACE_S)
    waits = [life.until_start(2 * DAY) for _ in range(10)]
    expected = [min(DAY, limits.JOB_RETRY_S * 2**n) for n in range(10)]
    assert waits == [pytest.approx(wait_s, abs=limits.JOB_POLL_S) for wait_s in expected]
    life.ending = Ending.UNCHANGED
    life.until_start(2 * DAY)
    assert life.memory.failures == 0


def test_what_was_refused_by_a_check_waits_its_period_and_is_no_good_run() -> None:
    life = Life(ending=Ending.REFUSED)
    life.until_start(DAY)
    assert life.until_start(2 * DAY) >= DAY
    assert life.memory.good_s is None
    assert life.memory.failures == 0


@settings(deadline=None, max_examples=30)  # a day of polls each
@given(back_s=st.floats(0, 400 * DAY))
def test_a_clock_that_is_set_back_delays_by_a_period_at_most(back_s: float) -> None:
    life = Life()
    life.until_start(DAY)
    life.wall_s -= back_s
    longest_s = DAY + limits.JOB_SPREAD_S_MAX
    assert life.until_start(2 * DAY) <= longest_s + limits.JOB_POLL_S


@settings(deadline=None)
@given(on_s=st.floats(0, 4_000 * DAY))
def test_a_clock_that_is_set_forward_causes_one_run(on_s: float) -> None:
    life = Life()
    life.until_start(DAY)
    life.wall_s += on_s
    began = len(life.starts)
    for _ in range(200):
        life.poll()
        life.passes(limits.JOB_POLL_S)
    assert len(life.starts) - began <= 1


def test_a_clock_that_runs_wild_does_not_make_a_storm() -> None:
    life = Life()
    life.until_start(DAY)
    began_s = life.real_s
    for _ in range(100):
        life.wall_s += 400 * DAY
        life.poll()
        life.passes(limits.JOB_POLL_S)
    assert len(life.starts) - 1 <= (life.real_s - began_s) / limits.JOB_GAP_S
    assert len(life.starts) > 1


JUMPS = st.one_of(
    st.tuples(st.just("pass"), st.floats(0, 2 * DAY)),
    st.tuples(st.just("set"), st.floats(-900 * DAY, 900 * DAY)),
    st.tuples(st.just("restart"), st.just(0.0)),
    st.tuples(st.just("poll"), st.just(0.0)),
    st.tuples(st.just("die"), st.just(0.0)),
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(JUMPS, ENDINGS, st.floats(0, 1, exclude_max=True)), max_size=60),
    every_s=st.floats(limits.JOB_EVERY_S_MIN, limits.JOB_EVERY_S_MAX),
)
def test_whatever_clocks_and_processes_do_runs_are_apart_and_come(
    steps: list[tuple[tuple[str, float], Ending, float]], every_s: float
) -> None:
    life = Life(every_s=every_s)
    for (kind, value), ending, chance in steps:
        life.ending, life.chance = ending, chance
        match kind:
            case "pass":
                life.passes(value)
            case "set":
                life.wall_s = max(0.0, life.wall_s + value)
            case "restart":
                life.restarts()
            case _:
                before, up_s = len(life.starts), life.now.up_s
                life.poll(dies=kind == "die")
                if len(life.starts) > before:
                    assert up_s >= limits.JOB_GRACE_S
                    ends = [end for end in life.ends if end >= life.up_since_s]
                    earlier = [end for end in ends if end <= life.starts[-1]]
                    assert not earlier or life.starts[-1] - earlier[-1] >= limits.JOB_GAP_S
    life.wall_s = max(life.wall_s, START_S)
    longest_s = every_s + limits.JOB_SPREAD_S_MAX + limits.JOB_GAP_S + limits.JOB_GRACE_S
    life.memory = schedule.planned(life.memory, every_s, life.now)
    life.passes(longest_s)
    assert life.poll(), "clocks that go on alone make every job due"


def test_a_control_process_that_dies_of_its_job_runs_it_ever_more_rarely() -> None:
    life = Life(chance=0.0)
    life.passes(limits.JOB_GRACE_S)
    gaps = []
    for _ in range(6):
        began_s = life.real_s
        while not life.poll(dies=True):
            life.passes(limits.JOB_POLL_S)
        gaps.append(life.real_s - began_s)
    assert life.memory.failures == 6
    assert gaps[1:] == sorted(gaps[1:])
    assert gaps[-1] > 10 * limits.JOB_RETRY_S


def test_another_period_is_planned_from_the_last_run() -> None:
    life = Life(chance=0.0)
    life.until_start(DAY)
    ended_s = life.wall_s
    life.passes(DAY / 2)
    life.every_s = limits.JOB_EVERY_S_MIN
    life.poll()
    assert len(life.starts) == 2
    life.every_s = 3 * DAY
    ended_s = life.wall_s
    life.poll()
    assert life.memory.due_s == pytest.approx(ended_s + 3 * DAY)


def test_a_job_without_a_good_run_gets_stale_and_one_that_is_off_does_not() -> None:
    life = Life(ending=Ending.REFUSED)
    life.until_start(DAY)
    assert not schedule.stale(life.memory, DAY, life.wall_s)
    life.passes(limits.JOB_MISSED_PERIODS * DAY + 1)
    assert schedule.stale(life.memory, DAY, life.wall_s)
    off = schedule.switched_off(life.memory)
    assert not schedule.stale(off, DAY, life.wall_s)
    assert (off.due_s, off.outcome) == (None, life.memory.outcome)


def test_a_run_that_was_cut_off_is_told_and_a_whole_one_is_not_touched() -> None:
    life = Life()
    life.until_start(DAY)
    assert schedule.cut_off(life.memory, DAY, life.now) is life.memory
    begun = schedule.begun(life.memory, life.now)
    found = schedule.cut_off(begun, DAY, life.now)
    assert found.outcome is not None
    assert found.outcome.ending is Ending.INTERRUPTED
    assert (found.failures, found.under_way) == (1, False)


@given(
    memory=st.builds(
        Memory,
        due_s=st.none() | st.floats(0, 1e11),
        every_s=st.floats(0, 1e9),
        began_s=st.none() | st.floats(0, 1e11),
        ended_s=st.none() | st.floats(0, 1e11),
        failures=st.integers(0, 10_000),
        outcome=st.none()
        | st.builds(Outcome, st.sampled_from(Ending), st.text(max_size=50), st.text()),
    )
)
def test_what_is_remembered_is_read_back(memory: Memory) -> None:
    cut = memory if memory.outcome is None else replace(memory, outcome=_clipped(memory.outcome))
    assert from_text(to_text(memory)) == cut


def _clipped(outcome: Outcome) -> Outcome:
    return replace(outcome, words=outcome.words[: limits.JOB_WORDS_LENGTH_CHARS_MAX])


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", "7", '{"due_s": "x"}', '{"due_s": -1}', '{"due_s": 1e300}'),
        *('{"due_s": NaN}', '{"outcome": {"ending": "odd"}}', '{"outcome": 5}'),
        *('{"failures": "many"}', '{"failures": Infinity}', "[" * 100_000),
    ],
)
def test_a_text_that_is_no_memory_is_an_empty_one(text: str | None) -> None:
    assert from_text(text) == Memory()


@pytest.mark.parametrize("value", [{}, {"ending": "failed"}, [], 5, None])
def test_what_is_no_outcome_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        outcome_of(value)


def test_endings_that_break_are_retried_sooner() -> None:
    assert {Ending.FAILED, Ending.INTERRUPTED} == BROKEN
