import io
import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from seawall.api.codec import from_json, to_json
from seawall.api.status_views import (
    CERTIFICATE_ENDED,
    CertificateView,
    ControlView,
    EnvoyView,
    NodeView,
    NoticeView,
    StatusView,
    TrafficView,
    WhyView,
)
from seawall.api.views import (
    Applied,
    ChangeView,
    CheckView,
    DiffView,
    EnvoyRefusalView,
    GuardLineView,
    GuardView,
    ProblemView,
    Progress,
    Refused,
    ReleasesView,
    ReleaseView,
)
from seawall.console import changes, problems, progress, releases, status, words
from seawall.console.output import Output, styled
from seawall.errors import UnreachableError, UsageError

RELEASE = ReleaseView(
    id="r2",
    digest="ab" * 32,
    kind="site",
    parent="r1",
    author="ann",
    message="longer timeout\nfor the report",
    created_s=1_000.0,
    quarantined="",
    current=True,
    serving=True,
    last_known_good=False,
)

ENVOY = EnvoyView(
    pid=42, version="1.40.0", uptime_s=7200.0, restarts=1, live=True, memory_bytes=80 << 20
)


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]  # - StringIO has none

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]  # - StringIO has none


def drawn(*parts: RenderableType) -> str:
    pipe = Pipe()
    Output(json_format=False, stdout=pipe, stderr=pipe).show(*parts)
    return pipe.getvalue()


def problem(
    severity: str = "error", file: str = "/etc/seawall.yaml", id_: str = "unknown-key"
) -> ProblemView:
    return ProblemView(
        id=id_,
        severity=severity,  # type: ignore[arg-type]  # - one of two words
        file=file,
        line=7,
        column=3,
        subject="site shop",
        what='"originn" is not a key of a site.',
        why="",
        remedy='Did you mean "origin"?',
    )


def test_a_problem_begins_with_a_place_that_editors_can_jump_to() -> None:
    lines = drawn(problems.problems((problem(),))).splitlines()
    assert lines[0] == (
        '/etc/seawall.yaml:7:3: error: "originn" is not a key of a site. [unknown-key]'
    )
    assert lines[1] == '    do  Did you mean "origin"?'


def test_errors_stand_before_warnings_and_hidden_ones_are_counted() -> None:
    found = (problem("warning", id_="w"), problem("error", id_="e"))
    text = drawn(problems.problems(found, hidden=3))
    assert text.index("[e]") < text.index("[w]")
    assert "3 more problems" in text


def test_the_verdict_counts() -> None:
    bad = CheckView(ok=False, problems=(problem(), problem("warning")))
    assert drawn(problems.verdict(bad)) == "refused: 1 error, 1 warning\n"
    good = CheckView(ok=True, problems=(), sites=1, routes=5, origins=2)
    assert drawn(problems.verdict(good)) == "good: 1 site, 5 routes, 2 origins\n"


def test_a_diff_is_told_in_words_with_what_it_interrupts() -> None:
    view = DiffView(
        check=CheckView(ok=True, problems=()),
        current="r2",
        identical=False,
        changes=(
            ChangeView(
                "changed",
                "route shop/api",
                "route /api of shop: timeout 15 s -> 30 s",
                drains=False,
                restarts=False,
            ),
            ChangeView("removed", "listener http 0.0.0.0:80", "", drains=True, restarts=False),
        ),
        changes_hidden=0,
        guard=None,
    )
    assert drawn(changes.diff(view)).splitlines() == [
        "Changes against r2:",
        "  ~ route /api of shop: timeout 15 s -> 30 s",
        "  - listener http 0.0.0.0:80  (drains open connections)",
    ]


def test_a_diff_of_a_remark_says_that_nothing_changes_but_text() -> None:
    view = DiffView(
        check=CheckView(ok=True, problems=()),
        current="r2",
        identical=False,
        changes=(),
        changes_hidden=0,
        guard=None,
    )
    said = drawn(changes.diff(view))
    assert " ".join(said.split()).startswith("No change against r2 except in the text:")


def test_a_refusing_guard_shows_its_arithmetic_and_how_to_force_it() -> None:
    line = GuardLineView(
        "routes", 10, 2, 8, 0, 0.8, 0.5, refused=True, text="8 of 10 routes go: 80 % > 50 %."
    )
    text = drawn(changes.guard(GuardView(ok=False, lines=(line,), force=("routes",))))
    assert "8 of 10 routes go: 80 % > 50 %." in text
    assert "seawall apply --force routes" in text


def test_progress_shows_each_step_with_a_tick_and_its_time() -> None:
    pipe = Pipe()
    output = Output(json_format=False, stdout=pipe, stderr=pipe)
    events = [
        Progress("check", "started", "", 0.0),
        Progress("check", "done", "1 site", 0.25),
        Applied(RELEASE, changed=True, dry_run=False, previous="r1", elapsed_s=0.5),
    ]
    assert isinstance(progress.follow(output, events), Applied)
    first, last = pipe.getvalue().splitlines()
    assert re.fullmatch(r"✓ Check the site file +250 ms  1 site", first)
    assert last == "r2 serves (before: r1), in 500 ms."


def test_what_is_current_and_not_served_is_not_said_to_serve() -> None:
    end = Applied(RELEASE, changed=False, dry_run=False, previous="r2", elapsed_s=0.1)
    assert "No change: r2 already serves this." in drawn(progress.applied(end))
    away = replace(end, release=replace(RELEASE, serving=False))
    words = "No change: r2 is current already, but no node serves it at the moment."
    assert words in drawn(progress.applied(away))


def test_a_log_hears_of_a_step_that_goes_on_but_seldom_and_its_time_is_the_whole_steps() -> None:
    pipe = Pipe()
    output = Output(json_format=False, stdout=pipe, stderr=pipe)
    events = [
        Progress("canary", "started", "begins", 1.0),
        *(
            Progress("canary", "started", f"waits {second}", 1.0 + second)
            for second in range(1, 32)
        ),
        Progress("canary", "done", "healthy", 41.0),
        Progress("canary", "started", "the next step", 41.0),
        Progress("canary", "done", "healthy", 43.0),
        Applied(RELEASE, changed=True, dry_run=False, previous="r1", elapsed_s=44.0),
    ]
    progress.follow(output, events)
    first, hands, *lines = pipe.getvalue().splitlines()
    assert "1.0 s  waits 1" in first
    assert "seawall pause, resume, abort" in hands
    assert [line.split(maxsplit=5)[-1] for line in lines[:4]] == [
        "16 s  waits 16",
        "31 s  waits 31",
        "40 s  healthy",
        "2.0 s  healthy",
    ]


def test_a_refusal_names_the_place_envoys_words_and_what_serves() -> None:
    refusal = EnvoyRefusalView("origin api", "api", "/etc/s.yaml", 4, "table_size not prime")
    view = Refused(
        "validate", "envoy-refused", "Envoy refused it.", "Mend it.", 0.1,
        envoy=(refusal,), serving="r1",
    )  # fmt: skip
    text = drawn(progress.refused(view))
    assert "/etc/s.yaml:4: origin api: Envoy says: table_size not prime" in text
    assert "error: Envoy refused it. [envoy-refused]" in text
    assert "r1 serves on, unchanged." in text
    view = Refused("commit", "held", "r2 is on its way, but it is held.", "", 0.1, serving="r1")
    text = drawn(progress.refused(view))
    assert "unchanged" not in text
    assert "r1 is current; `seawall status` shows what each node serves meanwhile." in text


def test_a_stream_without_an_end_is_an_error_and_no_success() -> None:
    output = Output(json_format=True, stdout=Pipe(), stderr=Pipe())
    with pytest.raises(UnreachableError):
        progress.follow(output, [Progress("check", "started", "", 0.0)])


def test_as_json_only_the_outcome_is_written_unless_a_stream_is_asked_for() -> None:
    events = [
        Progress("check", "started", "", 0.0),
        Applied(RELEASE, changed=True, dry_run=False, previous=None, elapsed_s=0.5),
    ]
    one, many = Pipe(), Pipe()
    progress.follow(Output(json_format=True, stdout=one), events)
    progress.follow(Output(json_format=True, stdout=many), events, stream=True)
    assert json.loads(one.getvalue())["event"] == "applied"
    assert [json.loads(line)["event"] for line in many.getvalue().splitlines()] == [
        "progress",
        "applied",
    ]


def status_view(**changed: object) -> StatusView:
    traffic = TrafficView("", 60, 600, 10.0, 0.01, 0.0, 0.004, 0.012)
    fields: dict[str, object] = {
        "state": "degraded",
        "summary": "r2 serves.",
        "current": RELEASE,
        "nodes": (
            NodeView(
                name="local", connected=True, seen_s_ago=0.4, release="r2", generation=3,
                phase="good", message="", envoy=ENVOY, last_known_good=("r2", "r1"),
                listeners=("127.0.0.1:80",),
            ),
        ),
        "edge": traffic,
        "sites": (TrafficView("shop", 60, 600, 10.0, 0.01, 0.0, 0.004, 0.012),),
        "sites_hidden": 0,
        "certificates": (),
        "notices": (NoticeView("warning", "x", "Somebody forwards.", "Name it."),),
        "control": ControlView(7, "0.1.0", 60.0, 1024, "/s.yaml", "/d"),
        "config_differs": True,
        "measures": {},
        "now_s": 1_060.0,
        "urls": ("http://localhost",),
    }  # fmt: skip
    return StatusView(**(fields | changed))  # type: ignore[arg-type]  # - a test's own fields


def test_words_of_a_newer_control_are_shown_as_they_are() -> None:
    told = to_json(status_view()) | {"state": "resting"}
    assert "resting" in drawn(status.status(from_json(StatusView, told, strict=False)))
    change = ChangeView("added", "site shop", "site shop: moved", drains=False, restarts=False)
    moved = to_json(change) | {"action": "moved"}
    assert "* site shop: moved" in drawn(
        changes.changes((from_json(ChangeView, moved, strict=False),))
    )
    assert "hint" in drawn(problems.problems((problem("hint"),)))


@pytest.mark.parametrize("wrong", ["resting", 7])
def test_a_word_that_nobody_knows_is_refused_where_it_is_no_answer(wrong: object) -> None:
    told = to_json(status_view()) | {"state": wrong}
    with pytest.raises(UsageError):
        from_json(StatusView, told, strict=wrong != 7)


def fleet_of(count: int, **third: object) -> tuple[NodeView, ...]:
    """Nodes of which the third is as given."""
    (local,) = status_view().nodes
    nodes = [replace(local, name=f"edge-{number}") for number in range(1, count + 1)]
    nodes[2] = replace(nodes[2], **third)  # type: ignore[arg-type]  # - a test's own fields
    return tuple(nodes)


@pytest.mark.parametrize(
    "third",
    [
        {"connected": False},
        {"release": "r1"},
        {"envoy": None},
        {"envoy": replace(ENVOY, live=False)},
    ],
    ids=["silent", "another release", "no Envoy", "a dead Envoy"],
)
def test_a_large_fleet_fits_one_screen_and_shows_who_is_not_well(third: dict[str, object]) -> None:
    text = drawn(status.status(status_view(nodes=fleet_of(1_000, **third))))
    assert "999 of 1,000 serve r2" in text
    assert "edge-3" in text
    assert "edge-4" not in text
    assert "seawall nodes list" in text
    assert len(text.splitlines()) < 24


def test_many_nodes_that_are_not_well_are_counted() -> None:
    nodes = tuple(replace(node, release="r1") for node in fleet_of(50))
    text = drawn(status.status(status_view(nodes=nodes)))
    assert "0 of 50 serve r2" in text
    assert "and 46 more that do not" in text
    assert len(text.splitlines()) < 28


def test_a_small_fleet_is_shown_whole() -> None:
    text = drawn(status.status(status_view(nodes=fleet_of(4))))
    assert all(f"edge-{number}" in text for number in range(1, 5))


def test_status_shows_everything_on_one_screen() -> None:
    text = drawn(status.status(status_view()))
    for words_shown in (
        "degraded", "r2 serves.", "longer timeout", "by ann, 60 s ago", "pid 42", "1 restart",
        "127.0.0.1:80", "r2, r1", "shop", "10.0", "4 ms", "12 ms", "warning: Somebody forwards.",
        "do:  Name it.", "seawall diff", "http://localhost",
    ):  # fmt: skip
        assert words_shown in text, words_shown
    assert len(text.splitlines()) < 24


@pytest.mark.parametrize(
    ("days_left", "told"),
    [
        (-1, "certificate site/shop has expired: browsers refuse it"),
        (0, "certificate site/shop ends in 0 days"),
        (1, "certificate site/shop ends in 1 day"),
    ],
)
def test_status_tells_of_a_certificate_near_its_end_and_after_it(days_left: int, told: str) -> None:
    certificate = CertificateView("site/shop", ("shop.example.com",), 0.0, days_left, "1")
    lines = drawn(status.status(status_view(certificates=(certificate,)))).splitlines()
    assert told in [line.rstrip() for line in lines]


def test_a_certificate_that_has_ended_is_told_once() -> None:
    certificate = CertificateView("site/shop", ("shop.example.com",), 0.0, -1, "1")
    notice = NoticeView("error", CERTIFICATE_ENDED, "Certificate site/shop has expired.")
    view = status_view(certificates=(certificate,), notices=(notice,))
    assert drawn(status.status(view)).count("has expired") == 1


def test_notices_come_first_where_the_end_of_a_screen_is_cut_off() -> None:
    lines = drawn(status.status(status_view(), cut=True)).splitlines()
    assert "degraded" in lines[0]
    notice = next(index for index, line in enumerate(lines) if "Somebody forwards." in line)
    assert notice < min(index for index, line in enumerate(lines) if "http://localhost" in line)


def test_status_of_an_edge_that_never_reported_has_no_invented_numbers() -> None:
    nothing = TrafficView("", 60, 0, None, None, None, None, None)
    node = NodeView(
        name="local", connected=False, seen_s_ago=None, release=None, generation=0,
        phase="", message="", envoy=None, last_known_good=(), listeners=(),
    )  # fmt: skip
    text = drawn(status.status(status_view(current=None, nodes=(node,), edge=nothing, sites=())))
    assert "serves nothing" in text
    assert "not heard" in text
    assert "0 %" not in text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_nothing_is_lost_on_a_narrow_terminal(width: int) -> None:
    terminal = Terminal()
    console = Console(file=terminal, width=width, force_terminal=True, no_color=True)
    console.print(status.status(status_view()))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert all(len(line) <= width for line in plain.splitlines())
    squeezed = re.sub(r"\s", "", plain)
    assert "Somebodyforwards." in squeezed
    assert "127.0.0.1:80" in squeezed


def test_releases_are_a_table_that_a_pipe_can_cut() -> None:
    text = drawn(releases.releases(ReleasesView((RELEASE,), "r1"), now_s=1_060.0))
    header, row, more = text.splitlines()
    assert header.split() == ["release", "when", "by", "state", "message"]
    assert row.startswith("r2")
    assert "longer timeout (+1 line)" in row
    assert "--before r1" in more
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("rollout", "words"),
    [(None, ""), ("done", ""), ("rolled-back", "rolled back"), ("none", "no rollout")],
)
def test_a_release_says_how_its_rollout_went_unless_it_is_done(
    rollout: str | None, words: str
) -> None:
    idle = replace(RELEASE, current=False, serving=False, rollout=rollout)
    assert releases.state(idle).plain == words


def test_why_tells_its_story_one_sentence_a_line() -> None:
    view = WhyView("x", "GET a/ answered 503", ("It came.", "It went."), "Start it.", {})
    assert drawn(status.why(view)).splitlines() == [
        "GET a/ answered 503",
        "  It came.",
        "  It went.",
        "  do:  Start it.",
    ]


def test_an_escape_sequence_from_outside_is_shown_and_not_obeyed() -> None:
    hostile = "GET /\x1b]0;owned\x07\x1b[2J [bold]x[/bold]"
    text = drawn(status.why(WhyView("x", hostile, (), "", {})))
    assert "\x1b" not in text
    assert r"\x1b]0;owned\x07" in text
    assert "[bold]x[/bold]" in text


def test_a_long_line_in_a_pipe_is_not_wrapped() -> None:
    assert drawn(styled("word " * 500)).count("\n") == 1


def test_colour_is_for_terminals_only_and_never_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    on_terminal, in_pipe, asked_not = Terminal(), Pipe(), Terminal()
    Output(json_format=False, stdout=on_terminal).show(styled("x", "red"))
    Output(json_format=False, stdout=in_pipe).show(styled("x", "red"))
    monkeypatch.setenv("NO_COLOR", "1")
    Output(json_format=False, stdout=asked_not).show(styled("x", "red"))
    assert "\x1b[31m" in on_terminal.getvalue()
    assert in_pipe.getvalue() == "x\n"
    assert "\x1b[31m" not in asked_not.getvalue()


def test_an_error_has_its_parts_in_order() -> None:
    pipe = Pipe()
    output = Output(json_format=False, stdout=Pipe(), stderr=pipe)
    output.error("It broke.", code="broken", where="here", why="because", do="mend it")
    assert pipe.getvalue().splitlines() == [
        "error: It broke. [broken]",
        "  where: here",
        "  why:   because",
        "  do:    mend it",
    ]


@pytest.mark.parametrize(
    ("value_s", "text"),
    [
        (None, "-"), (0.0, "0 ms"), (0.0041, "4 ms"), (0.9996, "1.0 s"), (1.25, "1.2 s"),
        (9.96, "10 s"), (119.4, "119 s"), (300, "5 min"), (7200, "2 h"), (200_000, "2 d"),
    ],
)  # fmt: skip
def test_durations_read_as_people_say_them(value_s: float | None, text: str) -> None:
    assert words.duration(value_s) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0 %"), (0.0002, "0.02 %"), (0.5, "50 %"), (1.0, "100 %")],
)
def test_shares_read_as_percent(value: float | None, text: str) -> None:
    assert words.share(value) == text


def test_sizes_and_ages_read_well() -> None:
    assert words.size(512) == "512 B"
    assert words.size(1536 * 1024) == "1.5 MiB"
    assert words.age(100.0, 100.5) == "just now"
    assert words.age(100.0, 40.0) == "60 s ahead of this clock"
    assert words.moment(0.0).startswith("19")
    assert words.moment(1e300) == words.moment(float("nan")) == "a time beyond any calendar"
    assert words.count(1, "site") == "1 site"
    assert words.count(1200, "site") == "1,200 sites"


@pytest.mark.parametrize(
    "name", [b"data", b"new line", b"d\xe4t\xe4 'x'", b"a\nb", "数据".encode()]
)
def test_a_path_is_shown_as_a_shell_takes_it(name: bytes) -> None:
    typed = words.argument(Path(os.fsdecode(b"/x/" + name)))
    assert typed.isprintable()
    echoed = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {typed}"], capture_output=True, check=True
    )
    assert echoed.stdout == b"/x/" + name


def test_a_path_is_shortened_where_it_is_read_and_not_for_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = f"{tmp_path}/seawall.yaml"
    monkeypatch.chdir(tmp_path)
    assert words.place(file, 3) == "seawall.yaml:3"
    monkeypatch.chdir("/")
    assert words.place(file, 3) == f"{file}:3"


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    hostile = "a\x1b[2J\x7f\x9b31m\u202egnp.exe\u2066 ä"
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    Output(json_format=True, stdout=stream).write_json({"path": hostile})
    written = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]  # - it is a BytesIO
    assert written.removesuffix("\n").isprintable()
    assert "ä" in written
    assert json.loads(written) == {"path": hostile}
