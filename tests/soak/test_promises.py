"""What a soak forgives, and what it calls broken."""

import pytest
from tools.soak import promises
from tools.soak.promises import Answer, Failing, Forgiveness, Sample, Served

FAILING = Failing("n7", "/api/a", 500)
NONE = Sample(100.0, 100.1, "/", 0, error="refused")


def _failed(at_s: float, *, mark: str = "n7", path: str = "/api/a", status: int = 500) -> Sample:
    return Sample(at_s, at_s + 0.1, path, status, mark)


def _answer(code: int, stdout: str = '{"event": "done"}', stderr: str = "") -> Answer:
    return Answer(("apply",), code, stdout, stderr, 1.0)


@pytest.mark.parametrize(
    ("killed_s", "stable", "forgiven"),
    [
        (100.05, False, True),
        (100.05, True, True),
        (100.3, False, True),  # known a little later than it happened
        (100.5, True, False),  # the request had failed before
        (98.0, False, False),
        (98.0, True, True),  # until another Envoy listens
        (90.0, True, False),
    ],
)
def test_a_request_lost_with_an_envoy_that_was_killed_on_purpose(
    killed_s: float, stable: bool, forgiven: bool
) -> None:
    forgiveness = Forgiveness()
    assert not forgiveness.forgives(NONE)
    forgiveness.killed(killed_s, stable=stable)
    assert forgiveness.forgives(NONE) is forgiven


def test_a_failing_release_is_forgiven_its_own_answers_while_it_is_tried() -> None:
    forgiveness = Forgiveness()
    assert not forgiveness.forgives(_failed(100))
    forgiveness.offered(FAILING, 100)
    assert forgiveness.forgives(_failed(105))
    assert not forgiveness.forgives(_failed(99))
    assert not forgiveness.forgives(_failed(105, mark="n6"))
    assert not forgiveness.forgives(_failed(105, mark=""))
    assert not forgiveness.forgives(_failed(105, path="/"))
    assert not forgiveness.forgives(_failed(105, status=503))
    assert not forgiveness.forgives(_failed(105, status=0))


def test_nothing_is_forgiven_it_once_it_is_withdrawn() -> None:
    forgiveness = Forgiveness()
    forgiveness.offered(FAILING, 100)
    forgiveness.withdrawn(110, "n8")
    assert forgiveness.forgives(_failed(200)), "another one was"
    forgiveness.withdrawn(110, "n7")
    assert forgiveness.forgives(_failed(110.5)), "on its way just then"
    assert not forgiveness.forgives(_failed(120))
    forgiveness.withdrawn(150)
    assert not forgiveness.forgives(_failed(120)), "that changes nothing"


def test_one_that_up_offers_again_is_forgiven_until_all_is_at_rest() -> None:
    forgiveness = Forgiveness()
    forgiveness.offered(FAILING, 100)
    forgiveness.withdrawn(110, "n7")
    forgiveness.offered(FAILING, 130)
    forgiveness.offered(FAILING, 140)
    assert forgiveness.forgives(_failed(135))
    forgiveness.withdrawn(150)
    assert not forgiveness.forgives(_failed(120))
    assert not forgiveness.forgives(_failed(160))
    assert forgiveness.fails("n7")
    assert not forgiveness.fails("n6")


def test_requests_are_counted_and_the_bad_ones_told() -> None:
    forgiveness, served = Forgiveness(), Served()
    forgiveness.offered(FAILING, 100)
    fine = Sample(100.0, 100.1, "/", 200, "n1")
    bad = served.count([fine, fine, _failed(101), NONE], forgiveness)
    assert bad == [NONE]
    assert (served.well, served.forgiven, served.failed) == (2, 1, 1)
    told = promises.failed_requests([NONE, _failed(101, mark="")], 90.0)
    assert told == [
        "2 failed requests: 10.00 to 10.10 s /: refused; 11.00 to 11.10 s /api/a: 500 of no release"
    ]
    assert promises.failed_requests([], 90.0) == []


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_may_be_done_refused_or_find_nobody(code: int) -> None:
    assert promises.command(_answer(code)) == []


@pytest.mark.parametrize(
    "answer",
    [
        _answer(2),
        _answer(-1),
        _answer(120),
        _answer(0, stdout=""),
        _answer(0, stdout="[1]"),
        _answer(1, stderr="Traceback (most recent call last):\n  File ..."),
    ],
    ids=str,
)
def test_a_command_may_not_end_otherwise(answer: Answer) -> None:
    assert len(promises.command(answer)) == 1


def test_what_must_be_refused_may_not_be_committed() -> None:
    assert promises.command(_answer(1), must_fail=True) == []
    assert promises.command(_answer(3), must_fail=True) == []
    assert "was committed" in promises.command(_answer(0), must_fail=True)[0]


def test_the_reason_of_a_refusal_is_told() -> None:
    assert _answer(1, '{"x": 1}\n{"error": {"code": "frozen"}}\n').reason == "frozen"
    assert _answer(1, '{"stage": "canary", "code": "rolled-back"}').reason == "rolled-back"
    assert _answer(1, '{\n "code": "on several lines"\n}').reason == "on several lines"
    assert _answer(0).reason == ""


def test_at_rest_every_client_gets_what_is_current() -> None:
    fine = Sample(1.0, 1.1, "/", 200, "n4")
    assert promises.at_rest("r5", "n4", [fine, fine], 1, 2) == []
    wrong = Sample(1.0, 1.1, "/", 200, "n3")
    (told,) = promises.at_rest("r5", "n4", [fine, wrong, NONE], 2, 2)
    assert told == "at rest, r5 (n4) is current and clients got ['200 of n3', 'refused']"
    (told,) = promises.at_rest("r5", "n4", [fine], 3, 2)
    assert "3 Envoys" in told


def test_tracebacks_in_logs_are_told_by_their_ends() -> None:
    text = (
        "fine\nTraceback (most recent call last):\n  File x\n    y\nValueError: no\n"
        '{"exception": "Traceback (most recent call last):\\n  File x\\nOSError: gone", "a": 1}\n'
        "Traceback (most recent call last):\n  File x"
    )
    assert promises.errors_of(text) == ["ValueError: no", "OSError: gone", "without an end"]
    assert promises.errors_of("all is well") == []
