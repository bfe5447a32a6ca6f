"""What the agent tells the node's bot service: sites, keys and times, in one private file.

The agent writes it from what its Envoys hold, so the service follows releases and rollbacks, a
candidate's included. A file that cannot be read leaves the service with what it had.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.compiler.bot_service import Challenged, challenged_sites
from seawall.compiler.snapshot import Snapshot
from seawall.limits import BOT_SETTINGS_SIZE_BYTES_MAX

FILE: Final = "bots.json"
FORMAT: Final = 1


@dataclass(frozen=True)
class Settings:
    """Which hosts are challenged, and with what.

    Attributes:
        exact: by host name.
        wildcards: by the part after `*`, such as `.example.com`.
        anywhere: for every other host; None when there is no such site.
    """

    exact: Mapping[str, Challenged]
    wildcards: Mapping[str, Challenged]
    anywhere: Challenged | None

    @classmethod
    def of(cls, sites: Iterable[Challenged]) -> "Settings":
        """Of sites; the first that names a host has it."""
        exact: dict[str, Challenged] = {}
        wildcards: dict[str, Challenged] = {}
        anywhere: Challenged | None = None
        for site in sites:
            for host in site.hosts:
                if host == "*":
                    anywhere = anywhere or site
                elif host.startswith("*"):
                    wildcards.setdefault(host[1:], site)
                else:
                    exact.setdefault(host, site)
        return cls(exact, wildcards, anywhere)

    def of_host(self, host: str) -> Challenged | None:
        """What serves `host` (lower case, no port): exact, then the longest wildcard, then any."""
        if host in self.exact:
            return self.exact[host]
        fitting = [end for end in self.wildcards if host.endswith(end)]
        return self.wildcards[max(fitting, key=len)] if fitting else self.anywhere


def sites_in(snapshots: Iterable[Snapshot]) -> tuple[Challenged, ...]:
    """The challenged sites of all snapshots, the stable one's first."""
    return tuple(dict.fromkeys(s for snapshot in snapshots for s in challenged_sites(snapshot)))


def written(sites: Iterable[Challenged]) -> bytes:
    """The file's content. Private: it holds keys."""
    entries = [
        {
            "hosts": site.hosts,
            "keys": site.keys,
            "clearance_s": site.clearance_s,
            "contact": site.contact,
        }
        for site in sites
    ]
    return json.dumps({"format": FORMAT, "sites": entries}, sort_keys=True).encode()


def read(path: Path) -> tuple[Challenged, ...] | None:
    """The sites of a file; None when it is missing, too large, or is none."""
    try:
        with path.open("rb") as file:
            content = file.read(BOT_SETTINGS_SIZE_BYTES_MAX + 1)
        value = json.loads(content) if len(content) <= BOT_SETTINGS_SIZE_BYTES_MAX else None
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            return None
        return tuple(
            Challenged(
                tuple(map(str, site["hosts"])),
                str(site["keys"]),
                int(site["clearance_s"]),
                str(site["contact"]),
            )
            for site in value["sites"]
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
