"""The remembered addresses on disk: a line with a checksum, since a disk may lie, then JSON.

A wrong address would be worse than none, so a file that is damaged anywhere is not believed at all.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Final

from seawall.node.dns.memory import Kept
from seawall.node.dns.wire import KINDS, NAME_SIZE_BYTES_MAX, Question, Records

_FORMAT: Final = 1
_TYPES: Final = {text: kind for kind, text in KINDS.items()}


def written(kept: Iterable[Kept]) -> bytes:
    """The content of the file."""
    names = b"\n".join(_line(item) for item in kept)
    head = {"format": _FORMAT, "sha256": hashlib.sha256(names).hexdigest()}
    return json.dumps(head).encode() + b"\n" + names


def read(content: bytes) -> tuple[Kept, ...]:
    """What `written` wrote.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    first, _, names = content.partition(b"\n")
    try:
        head = json.loads(first)
        if head["format"] != _FORMAT or head["sha256"] != hashlib.sha256(names).hexdigest():
            raise ValueError("its checksum is wrong")
        return tuple(_kept(json.loads(line)) for line in names.splitlines())
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it has another form") from error


def _line(item: Kept) -> bytes:
    row = {
        "name": item.question.name.hex(),
        "type": KINDS[item.question.kind],
        "records": base64.b64encode(item.records.body).decode(),
        "count": len(item.records.ttl_places),
        "got_s": round(item.got_s, 1),
        "for_people": [item.question.text, *item.records.addresses],
    }
    return json.dumps(row).encode()


def _kept(row: dict[str, str]) -> Kept:
    question = Question(bytes.fromhex(row["name"]), _TYPES[row["type"]])
    body = base64.b64decode(row["records"], validate=True)
    records, end = Records.read(body, 0, int(row["count"]))
    if end != len(body) or question.kind not in records.kinds or not _is_name(question.name):
        raise ValueError("a record is malformed")
    return Kept(question, records, float(row["got_s"]))


def _is_name(name: bytes) -> bool:
    at = 0
    while at < len(name) and name[at]:
        at += 1 + name[at]
    return at == len(name) - 1 and len(name) <= NAME_SIZE_BYTES_MAX
