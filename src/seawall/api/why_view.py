"""The story of a request as it is shown: the record, what is known beside it, and who has it."""

from collections.abc import Sequence

from seawall.api.status_views import RuleFactView, WhyView
from seawall.telemetry import why
from seawall.telemetry.records import AccessRecord


def why_view(
    record: AccessRecord,
    known: why.Known,
    *,
    node: str = "",
    also: Sequence[str] = (),
    before: Sequence[str] = (),
) -> WhyView:
    """Tell `record`.

    Args:
        record: of the request.
        known: what is known beside it.
        node: who has the record; empty for this machine.
        also: other nodes that have one of the same id.
        before: sentences about where the record comes from.
    """
    told = why.story(record, known)
    plain = {
        name: getattr(record, name)
        for name in AccessRecord.__dataclass_fields__
        if isinstance(getattr(record, name), str | int | None)
    }
    extra = {f"req_headers.{name}": value for name, value in record.req_headers.items()}
    extra |= {f"resp_headers.{name}": value for name, value in record.resp_headers.items()}
    return WhyView(
        request_id=record.request_id,
        title=told.title,
        story=(*before, *told.sentences),
        remedy=told.remedy,
        record=plain | extra,
        node=node,
        also=tuple(also),
        facts=tuple(
            RuleFactView(fact.rule, fact.name, fact.state.value, fact.value, fact.words)
            for fact in told.facts
        ),
    )
