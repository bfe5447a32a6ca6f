"""How control's questions to nodes travel: in a header out, as a body back. Pure.

There are two kinds: for the record of a request, and for what a node has seen of late. A question
goes out with the answer to a poll or a report of a node that says it knows such questions; an older
one never sees it. What comes back is a node's word: read strictly, bounded, and
turned into what control believes of it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from seawall import limits
from seawall.api.codec import from_json
from seawall.api.inquiry import Said
from seawall.api.record_desk import Asked, Question, SampleQuestion
from seawall.api.sampling import Seen
from seawall.errors import SeawallError
from seawall.telemetry.records import parse_record, require_request_id
from seawall.telemetry.samples import TIME, Wanted

KNOWS_HEADER: Final = "x-seawall-knows"
KNOWS_RECORDS: Final = "records"
"""What a node that answers such questions says with each request."""
QUESTIONS_HEADER: Final = "x-seawall-questions"
KNOWS_SAMPLES_HEADER: Final = "x-seawall-knows-samples"
"""A header of its own: an older control process, which does not know it, still asks about requests.
"""
KNOWS_SAMPLES: Final = "1"
SAMPLES_HEADER: Final = "x-seawall-samples"
_ID: Final = re.compile(r"[0-9a-f]{16}")
_FIELDS: Final = 3
_SAMPLE_FIELDS: Final = 4
_ALL: Final = "*"
_SITES: Final = re.compile(r"\*|[A-Za-z0-9_.-]{1,80}(?:;[A-Za-z0-9_.-]{1,80})*")
_ADDRESSES: Final = {"addresses": True, "networks": False}


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


@dataclass(frozen=True, slots=True)
class SampleAnswer:
    """What a node has seen of late: records, as `telemetry.samples` packs them."""

    records: bytes


def headers_of(asked: Iterable[Asked]) -> Iterator[tuple[str, str]]:
    """The headers that carry questions."""
    questions, samples = list[Question](), list[SampleQuestion]()
    for each in asked:
        if isinstance(each, SampleQuestion):
            samples.append(each)
        else:
            questions.append(each)
    if questions:
        yield QUESTIONS_HEADER, header_of(questions)
    if samples:
        yield SAMPLES_HEADER, ", ".join(map(_sample_text, samples))


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


def samples_in(header: str) -> Iterator[SampleQuestion]:
    """The questions for what was seen of a header; what makes no sense is none."""
    for part in header.split(",")[: limits.RECORD_QUESTIONS_OPEN_MAX]:
        fields = part.split()
        if len(fields) != _SAMPLE_FIELDS or not _ID.fullmatch(fields[0]):
            continue
        name, left, addresses, sites = fields
        if addresses not in _ADDRESSES or not _SITES.fullmatch(sites):
            continue
        try:
            left_s = min(float(left), limits.SAMPLE_WAIT_S)
        except ValueError:
            continue
        if left_s > 0:  # false for nan too
            named = () if sites == _ALL else tuple(sites.split(";"))
            yield SampleQuestion(name, Wanted(named, _ADDRESSES[addresses]), left_s)


def _sample_text(question: SampleQuestion) -> str:
    wanted = question.wanted
    addresses = next(word for word, found in _ADDRESSES.items() if found is wanted.addresses)
    return f"{question.id} {question.left_s:.2f} {addresses} {';'.join(wanted.sites) or _ALL}"


def seen(body: Any) -> Seen:
    """What a node sent of what it has seen; it is not opened here.

    Raises:
        UsageError: it makes no sense.
    """
    return Seen(from_json(SampleAnswer, body, strict=False).records)


def believed(body: Any, request_id: str) -> Said:
    """What control makes of an answer, as parsed from JSON; never an error."""
    try:
        answer = from_json(RecordAnswer, body, strict=False)
    except SeawallError as error:
        return Said(garbled=f"its answer is not valid: {error.message[:200]}")
    since = answer.since if TIME.fullmatch(answer.since) else ""
    if not answer.record:
        return Said(whole=answer.whole, since=since)
    record = parse_record(answer.record)
    if record is None:
        return Said(garbled="it sent something that is no record")
    if not record.is_of(request_id):
        return Said(garbled="it sent the record of another request")
    return Said(record, since=since)
