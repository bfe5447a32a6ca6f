"""Every kind of problem there is, with its documentation: `docs/problems.md` is made of it.

The rules bring their own entries; those of the parser and the schema stand here. A test makes sure
that each example shows its problem, and that no problem is without an entry.
"""

from typing import Final

from seawall import limits
from seawall.site.problem import Severity
from seawall.site.rules import RULES
from seawall.site.rules.rule import Rule, one_site

_ERROR: Final = Severity.ERROR
_ORIGIN: Final = "origin: http://127.0.0.1:3000\n"

PARSER: Final = (
    Rule(
        "yaml-syntax",
        _ERROR,
        "The file is not valid YAML.",
        "Nothing after the mistake can be read.",
        "Check the indentation and the quotes on the line shown and the one before.",
        "version: 1\nlisten: {http: 127.0.0.1:8080\nsites: {}\n",
    ),
    Rule(
        "empty-file",
        _ERROR,
        "The file is empty.",
        "An empty file is usually an accident.",
        "`seawall init` writes a complete file.",
        "# nothing but a comment\n",
    ),
    Rule(
        "not-a-mapping",
        _ERROR,
        "The file is not a mapping of keys to values.",
        "A site file begins with `version: 1`.",
        "`seawall init` writes a complete file.",
        "- version\n- sites\n",
    ),
    Rule(
        "several-documents",
        _ERROR,
        "The file contains more than one YAML document.",
        "Only one of them could apply.",
        "Remove the line `---`, or move the rest to a file named in `includes`.",
        one_site(_ORIGIN) + "---\nversion: 1\n",
    ),
    Rule(
        "empty-value",
        _ERROR,
        "A key or a list entry has no value.",
        "Nothing in a site file may be empty. Often the indentation of the next lines is wrong.",
        "Write a value, or remove the key.",
        one_site(_ORIGIN + "timeout:"),
    ),
    Rule(
        "duplicate-key",
        _ERROR,
        "A key appears twice in one mapping.",
        "Only one of the two could apply. YAML programs silently take one or the other.",
        "Remove one of them.",
        one_site(_ORIGIN + "timeout: 5s\ntimeout: 10s"),
    ),
    Rule(
        "bad-key",
        _ERROR,
        "A key is a list or a mapping.",
        "Keys must be words.",
        "Write `key: value`.",
        one_site(_ORIGIN + "? [a, b]\n: 1"),
    ),
    Rule(
        "bad-alias",
        _ERROR,
        "An alias (`*name`) refers to nothing, or to the value that contains it.",
        "There is no value to insert.",
        "Define `&name` before it is used.",
        one_site("origin: *app"),
    ),
    Rule(
        "bad-merge",
        _ERROR,
        "`<<` is followed by something that is not a mapping.",
        "It copies the keys of other mappings.",
        "Write `<<: *name`, where `&name` stands before a mapping.",
        one_site(_ORIGIN + "<<: 5"),
    ),
    Rule(
        "tag-not-supported",
        _ERROR,
        "A value has a YAML tag, such as `!!python/object`.",
        "A site file contains plain values only.",
        "Remove the tag. Quote the value if you mean text.",
        one_site(_ORIGIN + "timeout: !seconds 5"),
    ),
    Rule(
        "not-finite",
        _ERROR,
        "A number is infinite, not a number, or absurdly long.",
        "It cannot be checked against any limit.",
        "Write an ordinary number.",
        one_site("origin: {endpoints: [{url: http://127.0.0.1, weight: .inf}]}"),
    ),
    Rule(
        "file-too-complex",
        _ERROR,
        "The file is nested too deeply, or its aliases expand beyond the limit.",
        "No site file needs that. It is refused before it uses up memory.",
        "Check the program that generated the file.",
        "version: " + "[" * 40 + "]" * 40 + "\n",
    ),
    Rule(
        "file-too-large",
        _ERROR,
        f"A file has more than {limits.SITE_FILE_SIZE_BYTES_MAX:,} bytes, or all files together "
        f"more than {limits.SITE_SOURCES_SIZE_BYTES_MAX:,}.",
        "It is refused before it uses up memory.",
        "Split it with `includes`, or check the program that generated it.",
    ),
    Rule(
        "not-utf8",
        _ERROR,
        "The file contains bytes that are not UTF-8 text.",
        "Their meaning would depend on the machine that reads them.",
        "Save the file as UTF-8.",
    ),
    Rule(
        "control-character",
        _ERROR,
        "The file contains a control character, such as NUL.",
        "It is invisible, and programs disagree on its meaning.",
        'Remove it, or write it as an escape such as "\\u2028" in double quotes.',
    ),
    Rule(
        "include-missing",
        _ERROR,
        "A pattern in `includes` matches no file. This is a warning if the pattern has wildcards.",
        "Either a file is missing, or the pattern has a typo.",
        "Check the path. It is relative to the site file. `**` is not supported.",
        one_site(_ORIGIN, top="includes: [sites.yaml]\nlisten: {http: 127.0.0.1:8080}"),
    ),
    Rule(
        "more-problems",
        Severity.WARNING,
        f"There are more than {limits.SITE_PROBLEMS_MAX} problems.",
        "Only the first ones are shown.",
        "Fix those and check again.",
    ),
    Rule(
        "development-ca-unusable",
        _ERROR,
        "A certificate for development cannot be made.",
        "The data directory cannot be written, or the disk is full.",
        "Check the data directory.",
    ),
)
"""What may be wrong with the text and the files."""

SCHEMA: Final = (
    Rule(
        "bad-version",
        _ERROR,
        "This program cannot read this `version`.",
        "The meaning of keys may differ in another version.",
        "Write `version: 1`.",
        "version: 2\nlisten: {http: 127.0.0.1:8080}\n",
    ),
    Rule(
        "unknown-key",
        _ERROR,
        "A key is not known here.",
        "If a misspelt setting were ignored silently, you would believe that it works.",
        "Use the suggested key. docs/site-file.md lists all keys.",
        one_site(_ORIGIN + "time_out: 5s"),
    ),
    Rule(
        "missing-key",
        _ERROR,
        "A required key is missing.",
        "There is no sensible default for it.",
        "Add the key.",
        one_site(_ORIGIN + "routes: [{prefix: /api}]"),
    ),
    Rule(
        "wrong-type",
        _ERROR,
        "A value has the wrong form: text for a number, a list for a mapping, and so on.",
        "`yes`, `no`, `on` and `off` are text; `1.2` without quotes is a number.",
        "See docs/site-file.md for the form.",
        one_site(_ORIGIN + "redirect_to_https: yes"),
    ),
    Rule(
        "unknown-value",
        _ERROR,
        "A value is not one of the allowed words.",
        "",
        "Use one of the suggested words.",
        one_site(_ORIGIN + "class: apii"),
    ),
    Rule(
        "out-of-range",
        _ERROR,
        "A value is too small or too large.",
        "A value beyond these limits is a mistake, or harms the edge.",
        "Stay within the limits shown.",
        one_site(_ORIGIN + "timeout: 40d"),
    ),
    Rule(
        "bad-duration",
        _ERROR,
        "A value is not a valid duration.",
        "A bare number does not say whether it means seconds.",
        "Write `500ms`, `15s`, `5m`, `1h30m` or `365d`.",
        one_site(_ORIGIN + "timeout: 15"),
    ),
    Rule(
        "bad-size",
        _ERROR,
        "A value is not a valid size in bytes.",
        "A bare number does not say its unit.",
        "Write `10MiB`, `64KiB`, `1MB` or `512B`.",
        one_site(_ORIGIN + "max_body: 10 Megs"),
    ),
    Rule(
        "bad-share",
        _ERROR,
        "A share is not written as a percentage.",
        "`20` could mean 20 % or twenty times.",
        "Write `20%`.",
        one_site(_ORIGIN, top="listen: {http: 127.0.0.1:8080}\naccess_log: {sample: 0.2}"),
    ),
    Rule(
        "bad-name",
        _ERROR,
        "The name of a site, route, origin or certificate has characters that are not allowed.",
        "Names become parts of metrics, files and messages.",
        "Use lower-case letters, digits, `-` and `_`.",
        "version: 1\nlisten: {http: 127.0.0.1:8080}\n"
        'sites: {My Shop: {hosts: [a.example], origin: "http://127.0.0.1"}}\n',
    ),
    Rule(
        "invalid-host",
        _ERROR,
        "A value is not a valid host name.",
        "No request could ever carry it.",
        "Write `www.example.com`, `*.example.com` or `*`; without scheme, port and path.",
        one_site(_ORIGIN).replace("shop.example.com", '"https://shop.example.com"'),
    ),
    Rule(
        "invalid-header",
        _ERROR,
        "A header has an invalid name or value, or a name that is reserved for the edge.",
        "Hop-by-hop and framing headers, and names that begin with `x-envoy-` or "
        "`x-seawall-`, are reserved.",
        "Choose another name; to change the Host, use `host_rewrite`.",
        one_site(_ORIGIN + "headers: {request: {set: {connection: close}}}"),
    ),
    Rule(
        "bad-address",
        _ERROR,
        "A value is not a valid address or network.",
        "",
        "Write `0.0.0.0:80`, `[::]:443`, `:80`, or a network such as `10.0.0.0/8`.",
        one_site(_ORIGIN, top="listen: {http: everywhere}"),
    ),
    Rule(
        "bad-url",
        _ERROR,
        "The URL of an origin is invalid or has more than scheme, host and port, or the URL "
        "of a database is invalid.",
        "A path would be ignored silently.",
        "Write `http://HOST:PORT`; use `rewrite` to change paths.",
        one_site("origin: http://127.0.0.1:3000/app"),
    ),
    Rule(
        "secret-in-file",
        _ERROR,
        "The address of a database contains a user name or a password.",
        "A site file is stored with every release, so everybody who can read a release could "
        "read it.",
        "Start control with the whole address in `SEAWALL_CLICKHOUSE_URL`, and remove the key.",
        one_site(
            _ORIGIN,
            top="listen: {http: 127.0.0.1:8080}\n"
            'bots: {retrain: {every: 24h, database: "http://me:secret@10.0.0.9:8123/"}}',
        ),
    ),
    Rule(
        "bad-contact",
        _ERROR,
        "`contact`, for people who cannot pass a challenge, is not a valid address.",
        "It becomes a link on the challenge page, so a browser must be able to open it.",
        "Write `mailto:NAME@HOST` or `https://HOST/PATH`.",
        one_site(_ORIGIN + "bots: {mode: enforce, challenge: {contact: help@example.com}}"),
    ),
    Rule(
        "bad-path",
        _ERROR,
        "A value is not a valid URL path, redirect target or file name.",
        "",
        "Begin with `/`; no spaces; write other characters as %XX.",
        one_site(_ORIGIN + "routes: [{name: api, prefix: api}]"),
    ),
    Rule(
        "bad-method",
        _ERROR,
        "A value is not a valid HTTP method.",
        "Methods are case-sensitive (RFC 9110 section 9.1).",
        "Write `GET`, `POST` and so on.",
        one_site(_ORIGIN + "routes: [{name: api, methods: [get]}]"),
    ),
    Rule(
        "bad-status",
        _ERROR,
        "A status is not allowed here.",
        "",
        "Write `200`, `200-299` or `5xx`; for redirects 301, 302, 303, 307 or 308.",
        one_site(_ORIGIN + "routes: [{name: old, path: /old, redirect: {to: /, status: 200}}]"),
    ),
)
"""What may be wrong with single values."""

CATALOGUE: Final = (*PARSER, *SCHEMA, *(rule for rule, _ in RULES))
"""Every kind of problem, in the order of the documentation."""
