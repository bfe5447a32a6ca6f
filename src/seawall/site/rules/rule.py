"""What a rule is: a finding with a stable id, and how the documentation explains it."""

from dataclasses import dataclass, replace

from seawall.site.problem import Location, Problem, Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of problem. `docs/problems.md` is made of these.

    Attributes:
        id: kebab-case, stable.
        meaning: what is wrong, in general.
        why: why that is a problem.
        remedy: what to do.
        example: a site file that has this problem, or empty when it cannot be shown as text.
        younger: than releases that may serve, which an edge can be built of in spite of it. In the
            very files that serve it is a warning.
        alone: what it finds of a site depends on nothing but that site and what the site file says
            besides sites; and what it finds of an origin, on nothing but that origin. So it does
            not look again at what is as it was when it found nothing.
    """

    id: str
    severity: Severity
    meaning: str
    why: str
    remedy: str
    example: str = ""
    younger: bool = False
    alone: bool = False

    def found(
        self, at: Location, subject: str, what: str, *, why: str = "", remedy: str = ""
    ) -> Problem:
        """One finding of this kind; the general reason and remedy stand in for absent ones."""
        return Problem(
            self.id, self.severity, at, subject, what, why or self.why, remedy or self.remedy
        )


def served_already(problem: Problem) -> Problem:
    """The same as a warning: to refuse what serves would not help."""
    what = f"{problem.what} It serves already, so no other change waits for it."
    return replace(problem, severity=Severity.WARNING, what=what)


def one_site(site: str = "", *, top: str = "listen: {http: 127.0.0.1:8080}") -> str:
    """A whole site file around the lines of one site, for examples."""
    head = f"version: 1\n{top}\nsites:\n  shop:\n    hosts: [shop.example.com]\n"
    return head + "".join(f"    {line}\n" for line in site.strip().splitlines())
