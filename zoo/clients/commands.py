"""Programs from Debian, package managers, and small Java and Go clients."""

from zoo.kinds import Configuration, Kind
from zoo.plan import SCRAPING

_CURL = ("curl", "-sS", "-L", "-m", "20", "-o", "/dev/null", "--cacert", "{ca}", "{url}")
_WGET = ("wget", "-q", "-T", "20", "-t", "1", "-O", "/dev/null", "--ca-certificate={ca}", "{url}")
_APT = "/usr/lib/apt/apt-helper"
_CHECK = "/usr/lib/nagios/plugins/check_http"
_JAVA = (
    *("java", "-XX:TieredStopAtLevel=1", "-Djdk.net.hosts.file={cache}/hosts"),
    "-Djavax.net.ssl.trustStore={cache}/trust.p12",
)
_TRUST = ("-Djavax.net.ssl.trustStorePassword=changeit", "-cp", "{cache}/java", "Client")
DOTTED = "zoo.test"
"""Another name of the site, for Java: it names no host without a dot to the server (SNI)."""
_SMALL = 0.6
"""Weight of what starts a process for each request."""


def _tool(
    name: str, family: str, kind: Kind, behaviours: tuple[str, ...], *argv: str, **options: object
) -> Configuration:
    return Configuration(
        name,
        family,
        kind,
        "commands",
        {"argv": argv, **options},
        behaviours,
        _needs(argv),
        _SMALL,
        2,
    )


def _bot(
    name: str, family: str, kind: Kind, argv: tuple[str, ...], headers: str = "", **options: object
) -> Configuration:
    return Configuration(
        name,
        family,
        kind,
        "commands",
        {"argv": argv, **options},
        tuple(b for b in SCRAPING if b not in {"whole", "spam"}),
        _needs(argv),
        _SMALL,
        2,
        headers,
    )


def _needs(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Programs that must be there for a command."""
    special = {
        "java": ("java", "javac", "keytool"),
        "{cache}/goclient": ("go",),
        "{python}": (),
        "sh": ("newsboat",),
    }
    return special.get(argv[0], (argv[0],))


TOOLS = (
    _tool("w3m", "w3m", Kind.TEXT, ("read",), "w3m", "-dump", "-o", "ssl_ca_file={ca}", "{url}"),
    _tool(
        "lynx",
        "lynx",
        Kind.TEXT,
        ("read",),
        "lynx",
        "-dump",
        "-accept_all_cookies",
        "{url}",
        codes=[0, 1],
    ),
    _tool("elinks", "elinks", Kind.TEXT, ("read",), "elinks", "-no-home", "-dump", "{url}"),
    _tool(
        "newsboat",
        "newsboat",
        Kind.FEED,
        ("feed",),
        "sh",
        "-c",
        "echo {url} >urls; printf 'ssl-verifypeer no\\n' >config;"
        " exec newsboat -u urls -c cache.db -C config -x reload",
    ),
    _tool(
        "git ls-remote",
        "git",
        Kind.GIT,
        ("health",),
        "git",
        "ls-remote",
        "{base}/repo.git",
        env={"GIT_SSL_CAINFO": "{ca}"},
    ),
    _tool(
        "git clone",
        "git",
        Kind.GIT,
        ("once",),
        "git",
        "clone",
        "-q",
        "{base}/repo.git",
        "{dir}/clone",
        env={"GIT_SSL_CAINFO": "{ca}"},
    ),
    _tool(
        "pip download",
        "pip",
        Kind.PACKAGE,
        ("once",),
        "{python}",
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "--cert",
        "{ca}",
        "--disable-pip-version-check",
        "-d",
        "{dir}",
        "--index-url",
        "{base}/simple/",
        "zoopackage",
    ),
    _tool(
        "npm view",
        "npm",
        Kind.PACKAGE,
        ("once",),
        "npm",
        "view",
        "--registry={base}/npm/",
        "--cache={dir}/cache",
        "--cafile={ca}",
        "zoopackage",
    ),
    _tool(
        "go mod download",
        "go command",
        Kind.PACKAGE,
        ("once",),
        "go",
        "mod",
        "download",
        "zoo.test/module@v1.0.0",
        env={
            "GOPROXY": "{base}/goproxy",
            "GONOSUMDB": "*",
            "GOMODCACHE": "{dir}/mod",
            "GOFLAGS": "-modcacherw",
            "GOCACHE": "{dir}/build",
            "GOPATH": "{dir}/go",
        },
    ),
    _tool(
        "apt",
        "apt",
        Kind.PACKAGE,
        ("download",),
        _APT,
        "-o",
        "Acquire::https::CAInfo={ca}",
        "download-file",
        "{url}",
        "{dir}/file",
    ),
    _tool(
        "check_http",
        "check_http",
        Kind.MONITOR,
        ("health",),
        _CHECK,
        "-S",
        "--sni",
        "-H",
        "{host}",
        "-I",
        "127.0.0.1",
        "-p",
        "{port}",
        "-u",
        "{path}",
    ),
)
BOTS = (
    _bot("curl", "curl", Kind.DECLARED, _CURL, header="-H", data="-d"),
    _bot("wget", "wget", Kind.DECLARED, _WGET, codes=[0, 8]),
    _bot(
        "wget mirror",
        "wget",
        Kind.DECLARED,
        (
            "wget",
            "-q",
            "-r",
            "-l",
            "2",
            "-Q",
            "40k",
            "-P",
            "{dir}",
            "--ca-certificate={ca}",
            "{base}/",
        ),
        codes=[0, 8],
        once=True,
    ),
    _bot(
        "lwp-request",
        "libwww-perl",
        Kind.DECLARED,
        ("lwp-request", "-d", "{url}"),
        codes=[0, 1],
        env={"PERL_LWP_SSL_CA_FILE": "{ca}"},
    ),
    _bot(
        "hey",
        "go net/http",
        Kind.DECLARED,
        ("hey", "-n", "6", "-c", "1", "-q", "20", "-host", "{host}", "{url}"),
        once=True,
    ),
    _bot("go net/http", "go net/http", Kind.DECLARED, ("{cache}/goclient",), lines=True),
    _bot("java httpclient", "java", Kind.DECLARED, (*_JAVA, *_TRUST), lines=True, host=DOTTED),
    _bot("curl as chrome", "curl spoofing", Kind.SPOOF, _CURL, "chrome", header="-H", data="-d"),
    _bot(
        "curl with an agent",
        "curl spoofing",
        Kind.SPOOF,
        _CURL,
        "agent only",
        header="-H",
        data="-d",
    ),
    _bot(
        "curl as firefox on h1",
        "curl spoofing",
        Kind.SPOOF,
        (*_CURL, "--http1.1"),
        "firefox",
        header="-H",
    ),
    _bot(
        "wget with an agent",
        "wget spoofing",
        Kind.SPOOF,
        _WGET,
        "agent only",
        header="--header=",
        codes=[0, 8],
    ),
    _bot(
        "wget as chrome",
        "wget spoofing",
        Kind.SPOOF,
        _WGET,
        "chrome",
        header="--header=",
        codes=[0, 8],
    ),
    _bot(
        "go as chrome",
        "go net/http spoofing",
        Kind.SPOOF,
        ("{cache}/goclient",),
        "chrome",
        lines=True,
    ),
    _bot(
        "go with an agent",
        "go net/http spoofing",
        Kind.SPOOF,
        ("{cache}/goclient",),
        "agent only",
        lines=True,
    ),
    _bot(
        "java as chrome",
        "java spoofing",
        Kind.SPOOF,
        (*_JAVA, *_TRUST),
        "chrome",
        lines=True,
        host=DOTTED,
    ),
    _bot(
        "java on h1 with an agent",
        "java spoofing",
        Kind.SPOOF,
        (*_JAVA, *_TRUST, "1.1"),
        "agent only",
        lines=True,
        host=DOTTED,
    ),
)
ALL = (*TOOLS, *BOTS)
