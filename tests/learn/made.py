"""Small synthetic records with a known structure: browsers, tools, spoofing libraries."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from seawall.bots.features import FEATURES, INDEX, to_text

START_S = 1_795_000_000.0
"""November 2026."""


@dataclass(frozen=True)
class Family:
    """A family of clients.

    Attributes:
        codes: the code that each client of it most often has.
        noise: the share of rows in which a feature is random.
    """

    name: str
    label: str
    codes: Mapping[str, int]
    noise: float = 0.02


def _person(name: str, number: int) -> Family:
    codes = {"tls-family": 1 + number % 3, "fetch-coherence": 2, "accept-language": 3 + number % 4}
    codes |= {"hints-brand": 3 if number % 2 else 2, "agent-family": 1 + number % 3}
    codes |= {"cookie": 1, "referer": 1, "path-depth": 1, "arrivals": 1}
    codes |= {"accept-encoding": 4 + number % 2, "tls-ciphers": 15 + number}
    return Family(name, "human", codes, noise=0.005)


def _program(name: str, label: str, number: int) -> Family:
    codes = {"tls-family": 10 + number % 5, "fetch-coherence": 0, "accept-language": number % 2}
    codes |= {"hints-brand": 1, "agent-family": 1 if label == "bot" else 10 + number}
    codes |= {"cookie": 0, "referer": 3, "path-depth": 5}
    return Family(name, label, codes | {"accept-encoding": 1 + number % 4, "tls-ciphers": 30})


FAMILIES = (
    *(_person(f"browser-{n}", n) for n in range(6)),
    *(_program(f"tool-{n}", "tool", n) for n in range(5)),
    *(_program(f"library-{n}", "bot", n) for n in range(8)),
    *(replace(_person(f"impersonator-{n}", n), label="bot", noise=0.2) for n in range(2)),
)


@dataclass(frozen=True)
class Request:
    """What becomes a record."""

    client: str
    family: Family
    at_s: float
    codes: tuple[int, ...]
    rule: str = "-"
    verified: str = "-"
    clearance: str = "-"
    score: str = "-"

    @property
    def line(self) -> str:
        moment = datetime.fromtimestamp(self.at_s, UTC)
        bots = f"{self.score} observe {self.rule} {self.verified} {self.clearance} - "
        return json.dumps(
            {
                "time": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z",
                "request_id": f"{self.client}-{self.at_s:.3f}",
                "client": self.client,
                "route": "shop/pages",
                "status": "200",
                "ja4": f"t13d1516h2_{self.family.name}_e5627efa2ab1",
                "user_agent": "Mozilla/5.0",
                "bots": f"{bots}{to_text(self.codes)} 0123456789abcdef.7",
            }
        )


def requests(
    seed: int = 1, clients: int = 12, each: int = 8, families: tuple[Family, ...] = FAMILIES
) -> Iterator[Request]:
    """Requests of all families, clients one after another in time."""
    chance = random.Random(seed)
    for number, family in enumerate(families):
        for client in range(clients):
            address = f"100.64.{number}.{client + 1}"
            at_s = START_S + client * 1000 + number
            for turn in range(each):
                codes = [chance.randrange(1, 4) for _ in FEATURES]
                for name, code in family.codes.items():
                    noisy = chance.random() < family.noise
                    codes[INDEX[name]] = chance.randrange(6) if noisy else code
                codes[INDEX["requests-60s"]] = 1 + turn
                yield Request(address, family, at_s + turn * 2.5, tuple(codes))


def sessions(clients: int = 12) -> str:
    """The truth, as the zoo writes it."""
    lines = ["session\tclient\tconfiguration\tfamily\tclass\tkind\trequests\tstart"]
    for number, family in enumerate(FAMILIES):
        for client in range(clients):
            address = f"100.64.{number}.{client + 1}"
            start_s = START_S + client * 1000 + number
            name = f"{family.name}-{client}"
            lines.append(
                f"{name}\t{address}\t{family.name}\t{family.name}\t{family.label}\tany\t8\t{start_s}"
            )
    return "\n".join(lines) + "\n"


def write(folder: Path, *, seed: int = 1, clients: int = 12, each: int = 8) -> tuple[Path, Path]:
    """A records file and a sessions file."""
    folder.mkdir(parents=True, exist_ok=True)
    records, truth = folder / "records.ndjson", folder / "sessions.tsv"
    lines = (request.line for request in requests(seed, clients, each))
    records.write_text("".join(f"{line}\n" for line in lines))
    truth.write_text(sessions(clients))
    return records, truth
