"""What a person sees of the gate."""

from io import StringIO

from rich.console import Console, RenderableType

from seawall.api.views import GateStepView
from seawall.console.gate import arithmetic, gate

STAGES = (
    GateStepView("guard", "2 change(s)", 0.02, "passed", ("changes 1 of 4 routes (25 %)",)),
    GateStepView("taster", "GET /: answered 503", 0.4, "refused", ("Asked 9 of 9 requests.",)),
)


def text(part: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=100).print(part)
    return out.getvalue()


def test_each_stage_stands_with_its_outcome_and_arithmetic() -> None:
    lines = text(gate(STAGES)).splitlines()
    assert lines[0].split()[:2] == ["guard", "passed"]
    assert "changes 1 of 4 routes" in lines[1]
    assert lines[2].split()[:2] == ["taster", "refused"]


def test_a_refusal_shows_the_arithmetic_of_its_stage_alone() -> None:
    found = arithmetic(STAGES)
    assert found is not None
    assert text(found).strip() == "Asked 9 of 9 requests."
    assert arithmetic(STAGES[:1]) is None
    assert arithmetic(()) is None
