"""Sessions and records as a data set holds them, made up for tests of the report."""

from typing import Any

from zoo.kinds import Class, Kind, Session

VECTOR, CLIENT = "$" * 40, "0123456789abcdef.1"


def session(
    number: int,
    family: str = "requests",
    kind: Kind = Kind.SPOOF,
    start_s: float = 0.0,
) -> Session:
    label = Class.HUMAN if kind is Kind.HUMAN else Class.TOOL if kind is Kind.FEED else Class.BOT
    return Session(
        f"s{number}",
        f"100.64.{number // 250}.{number % 250 + 1}",
        family,
        family,
        label.value,
        kind.value,
        "crawl",
        3,
        start_s,
    )


def records(of: Session, *scores: int | None, action: str = "observe") -> list[dict[str, Any]]:
    return [
        {
            "client": of.address,
            "time": f"2026-01-01T00:00:{place:02}.000Z",
            "path": "/" if place % 6 == 0 else "/static/site.css",
            "bots": f"{score or '-'} {action} - - - 0a1b2c3d {VECTOR} {CLIENT}",
        }
        for place, score in enumerate(scores)
    ]
