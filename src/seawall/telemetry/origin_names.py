"""What a node says of the names of origins that it answers; a part of its report (`rollout.ports`).

In a file of its own because views show it as it is: a command that reads views need not load all
that a report is made of.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StaleName:
    """A name of an origin that DNS does not answer with addresses, and whose last ones serve on.

    Attributes:
        why: `no such name`, `no address` or `no answer`.
        since_s: Unix time, as `until_s`, when the last addresses are forgotten.
    """

    name: str
    why: str
    addresses: tuple[str, ...]
    since_s: int
    until_s: int


@dataclass(frozen=True, slots=True)
class NamesReport:
    """How a node answers its Envoys' questions for the names of origins.

    Attributes:
        port: of 127.0.0.1; 0 while there is none, and Envoys ask the system's resolvers.
        remembered: names (and families) whose last addresses are known.
        questions: asked by Envoys since the agent started.
        forwarded: asked of the system's resolvers, of these.
        from_memory: answers with last addresses, since the agent started.
        stale: names that are answered so now.
        names: the first of them.
    """

    port: int
    remembered: int = 0
    questions: int = 0
    forwarded: int = 0
    from_memory: int = 0
    stale: int = 0
    names: tuple[StaleName, ...] = ()
