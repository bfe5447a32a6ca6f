"""How control's questions about requests travel: in a header out, as a body back. Pure.

A question goes out with the answer to a poll or a report of a node that says it knows such
questions; an older one never sees it. What comes back is a node's word: read strictly, bounded, and
turned into what control believes of it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from seawall import limits
from seawall.api.codec import from_json
from seawall.api.inquiry import Said
from seawall.api.record_desk import Question
from seawall.errors import SeawallError
from seawall.telemetry.records import parse_record, require_request_id

KNOWS_HEADER: Final = "x-seawall-knows"
KNOWS_RECORDS: Final = "records"
"""What a node that answers such questions says with each request."""
QUESTIONS_HEADER: Final = "x-seawall-questions"
_ID: Final = re.compile(r"[0-9a-f]{16}")
_FIELDS: Final = 3
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,18}Z")


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """What a node has of a request.

    Attributes:
        record: the newest record of it, as Envoy wrote it; empty when it has none.
        whole: whether it looked at all its records.
        since: time of the oldest record that it looked at; empty without any.
    """

    record: bytes = b""
    whole: bool = True
    since: str = ""


def header_of(questions: Iterable[Question]) -> str:
    """The header that carries `questions`."""
    return ", ".join(f"{q.id} {q.request_id} {q.left_s:.2f}" for q in questions)


def questions_in(header: str) -> Iterator[Question]:
    """The questions of a header; what makes no sense is none."""
    for part in header.split(",")[: limits.RECORD_QUESTIONS_OPEN_MAX]:
        fields = part.split()
        if len(fields) != _FIELDS or not _ID.fullmatch(fields[0]):
            continue
        try:
            require_request_id(fields[1])
            left_s = min(float(fields[2]), limits.RECORD_QUESTION_WAIT_S)
        except (SeawallError, ValueError):
            continue
        if left_s > 0:  # false for nan too
            yield Question(fields[0], fields[1], left_s)


def believed(body: Any, request_id: str) -> Said:
    """What control makes of an answer, as parsed from JSON; never an error."""
    try:
        answer = from_json(RecordAnswer, body, strict=False)
    except SeawallError as error:
        return Said(garbled=f"its answer makes no sense: {error.message[:200]}")
    since = answer.since if _TIME.fullmatch(answer.since) else ""
    if not answer.record:
        return Said(whole=answer.whole, since=since)
    record = parse_record(answer.record)
    if record is None:
        return Said(garbled="it sent something that is no record")
    if record.request_id != request_id:
        return Said(garbled="it sent the record of another request")
    return Said(record, since=since)
