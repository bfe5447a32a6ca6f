"""A private key that others on this machine may read."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="key-file-permissions",
    severity=Severity.WARNING,
    meaning="The group or other users can read a private key file.",
    why="Anybody who has the key can impersonate the site.",
    remedy="Run `chmod 600` on it.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ntls: {cert: certs/open.pem, key: certs/open.key}",
        top="listen: {https: 127.0.0.1:8443}",
    ),
)
_OTHERS_READ = 0o044


def check(draft: Draft) -> Iterator[Problem]:
    """Each key file, where permissions can be told."""
    if draft.file_mode is None:
        return
    for named in draft.files.named:
        if named.purpose != "key" or named.path not in draft.files.content:
            continue
        try:
            mode = draft.file_mode(named.path)
        except OSError:
            continue  # it was replaced meanwhile; the content was read
        if mode & _OTHERS_READ:
            what = f"The key file {named.path} has the mode {mode:04o}."
            yield RULE.found(named.location, named.subject, what)
