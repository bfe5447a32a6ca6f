"""Which sites a change is confined to, if to some at all, and what need not be asked then.

Envoy answers for one host from that host's own routes, from what is common to all hosts (listeners,
filters, certificates, origins, runtime, what a route table says for all of its hosts), and from
nothing else. So where only some hosts differ, byte for byte, and none of them takes other names
than before, no other host can answer otherwise than it did. Whatever cannot be read or is not known
here makes a change wide. Pure.
"""

from dataclasses import replace
from typing import Final

from envoy.config.route.v3.route_components_pb2 import VirtualHost
from google.protobuf.message import DecodeError

from seawall import limits
from seawall.compiler import names
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.compiler.tables import Table
from seawall.gate.ask import Answer
from seawall.gate.compare import Changed
from seawall.gate.probes import Probe, Questions
from seawall.gate.tasted import Tasted, key_of
from seawall.model import BotDo

_LETS_IN: Final = ([BotDo.ALLOW], [BotDo.OBSERVE])


def sites_alone(old: Snapshot | None, new: Snapshot) -> frozenset[str]:
    """Names of the sites that alone differ.

    Empty when something else differs too, when nothing does, or when there are more than
    `limits.TASTER_NARROW_SITES_MAX`: then anything may answer otherwise.
    """
    if old is None or old.by_key.keys() != new.by_key.keys():
        return frozenset()
    found: set[str] = set()
    for key, resource in new.by_key.items():
        before = old.by_key[key]
        if before.body == resource.body:
            continue
        if key[0] is not TypeUrl.ROUTES:
            return frozenset()
        try:
            differing = _differing(before.table, resource.table)
        except (ValueError, DecodeError):
            return frozenset()
        if not differing:
            return frozenset()
        found |= differing
    return frozenset(found) if len(found) <= limits.TASTER_NARROW_SITES_MAX else frozenset()


def needed(
    questions: Questions, known: Tasted | None, change: Changed, turn: int
) -> tuple[Probe, ...]:
    """What to ask: everything, unless only some sites differ and all others are known.

    Where the bot filter turned a request away, what is answered hangs on how much was asked before.
    """
    if known is None or not change.alone or not questions.whole:
        return questions.all
    if any(_turned_away(answer) for answer in known.answers.values()):
        return questions.all
    return questions.narrow(turn)


def comparable(before: Answer, change: Changed) -> Answer:
    """What an answer of the current release is compared by where only a part is asked.

    The score of a client hangs on how much it has asked before: other sites' is left out.
    """
    touched = before.route.partition("/")[0] in change.alone
    return before if touched else replace(before, bots="")


def _turned_away(answer: Answer) -> bool:
    return bool(answer.bots) and answer.bots.split(" ")[1:2] not in _LETS_IN


def unasked(questions: Questions, known: Tasted | None, change: Changed) -> dict[str, Answer]:
    """Answers of the current release that the new one would give too: those of other sites."""
    if known is None or not change.alone:
        return {}
    hosts = {probe.host for probe in questions.first}
    keys = (key_of(probe) for probe in questions.around if probe.host not in hosts)
    found = {key: known.answers[key] for key in keys if key in known.answers}
    return {key: a for key, a in found.items() if a.route.partition("/")[0] not in change.alone}


# --- What differs ---------------------------------------------------------------------------------


def _differing(old: Table, new: Table) -> set[str]:
    """The hosts that differ; none when something else does."""
    if old.rest != new.rest or len(old.hosts) != len(new.hosts):
        return set()
    found: set[str] = set()
    for one, other in zip(old.hosts, new.hosts, strict=True):
        if one == other:
            continue
        before, after = VirtualHost.FromString(one), VirtualHost.FromString(other)
        named = (before.name, list(before.domains)) == (after.name, list(after.domains))
        if not named or after.name == names.UNKNOWN_HOST:
            return set()
        found.add(str(after.name))
    return found
