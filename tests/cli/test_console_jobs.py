"""Jobs as a table, and what is wrong with them below."""

from cli.test_console import drawn
from seawall.api.job_views import JobsView, JobView
from seawall.console.jobs import jobs, step

NOW_S = 1_800_000_000.0
OFF = JobView("ranges", None)
REFUSED = JobView(
    "retrain",
    86_400.0,
    began_s=NOW_S - 7_300,
    ended_s=NOW_S - 7_200,
    due_s=NOW_S + 3 * 3_600,
    outcome="refused",
    reason="gain: no better",
    remedy="Read report.md.",
    report="/data/r",
    stale=True,
)


def test_a_job_is_a_line_and_its_reason_stands_below() -> None:
    text = drawn(jobs(JobsView((REFUSED, OFF)), NOW_S))
    first, second = text.splitlines()[1:3]
    assert first.split() == [
        "retrain",
        "24",
        "h",
        "2",
        "h",
        "ago",
        "refused,",
        "stale",
        "in",
        "3",
        "h",
    ]
    assert second.split() == ["ranges", "off", "never", "-", "-"]
    assert "retrain: gain: no better" in text
    assert "do:  Read report.md." in text
    assert "see: /data/r" in text


def test_a_run_says_how_far_it_is_and_nothing_of_the_one_before() -> None:
    running = JobView(
        "retrain", 3_600.0, running=True, step="Grow trees", done=3, of=4, reason="old"
    )
    text = drawn(jobs(JobsView((running,)), NOW_S))
    assert "Grow trees 75 %" in text
    assert "old" not in text
    assert step(JobView("ranges", 1.0, step="Fetch gptbot")) == "Fetch gptbot"


def test_a_job_that_is_overdue_comes_soon() -> None:
    assert "soon" in drawn(jobs(JobsView((JobView("ranges", 1.0, due_s=NOW_S - 5),)), NOW_S))
