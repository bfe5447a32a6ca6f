"""Libraries that imitate a browser's TLS and HTTP/2; families by the code that does it."""

from zoo.kinds import Configuration, Kind
from zoo.plan import SCRAPING

_BATCH = 8


def _impersonator(
    name: str,
    library: str,
    profiles: tuple[str, ...],
    headers: str = "referer",
    *,
    slow: bool = False,
    weight: float = 1.0,
) -> Configuration:
    return Configuration(
        name,
        library.replace("_", "-") + (" slow" if slow else ""),
        Kind.SLOW if slow else Kind.IMPERSONATOR,
        "libraries",
        {"library": library, "profiles": profiles},
        ("slow",) if slow else SCRAPING,
        (f"pip:{library}",),
        weight=weight,
        batch=_BATCH,
        headers=headers,
    )


ALL = (
    _impersonator("curl_cffi without profile", "curl_cffi", ("",), "agent only"),
    _impersonator(
        "curl_cffi chrome old", "curl_cffi", ("chrome99", "chrome110", "chrome120", "chrome124")
    ),
    _impersonator(
        "curl_cffi chrome", "curl_cffi", ("chrome131", "chrome136", "chrome142", "chrome146")
    ),
    _impersonator(
        "curl_cffi chrome new", "curl_cffi", ("chrome150", "chrome151", "chrome152"), weight=2
    ),
    _impersonator("curl_cffi firefox", "curl_cffi", ("firefox133", "firefox144", "firefox147")),
    _impersonator(
        "curl_cffi firefox new", "curl_cffi", ("firefox153", "firefox154", "firefox155"), weight=2
    ),
    _impersonator(
        "curl_cffi safari", "curl_cffi", ("safari170", "safari184", "safari260", "safari270")
    ),
    _impersonator(
        "curl_cffi phone", "curl_cffi", ("chrome131_android", "safari180_ios", "safari270_ios")
    ),
    _impersonator("curl_cffi edge", "curl_cffi", ("edge99", "edge101")),
    _impersonator("curl_cffi tor", "curl_cffi", ("tor145",), weight=0.5),
    _impersonator(
        "tls-client bare", "tls_client", ("chrome_133", "firefox_133", "safari_16_0"), "agent only"
    ),
    _impersonator(
        "tls-client chrome", "tls_client", ("chrome_120", "chrome_133", "chrome_146"), "chrome"
    ),
    _impersonator("tls-client chrome new", "tls_client", ("chrome_150", "chrome_152"), "chrome"),
    _impersonator(
        "tls-client firefox", "tls_client", ("firefox_120", "firefox_135", "firefox_148"), "firefox"
    ),
    _impersonator(
        "tls-client okhttp", "tls_client", ("okhttp4_android_12", "okhttp4_android_13"), "mobile"
    ),
    _impersonator("primp", "primp", ("chrome", "edge", "opera")),
    _impersonator("primp firefox", "primp", ("firefox",)),
    _impersonator("primp any", "primp", ("random",)),
    _impersonator("wreq chrome", "wreq", ("Chrome131", "Chrome140", "Chrome147")),
    _impersonator("wreq chrome new", "wreq", ("Chrome152", "Chrome153", "Chrome154"), weight=2),
    _impersonator("wreq firefox", "wreq", ("Firefox136", "Firefox148", "Firefox152")),
    _impersonator("wreq safari", "wreq", ("Safari18_5", "Safari26_4", "SafariIos26_2")),
    _impersonator("wreq okhttp", "wreq", ("OkHttp4_12", "OkHttp5"), weight=0.5),
    _impersonator("httpcloak chrome", "httpcloak", ("chrome-148-windows", "chrome-152-macos")),
    _impersonator(
        "httpcloak newest", "httpcloak", ("chrome-latest-windows", "chrome-155-linux"), weight=2
    ),
    _impersonator("httpcloak firefox", "httpcloak", ("firefox-148", "firefox-latest")),
    _impersonator("curl_cffi slow", "curl_cffi", ("chrome152", "firefox155"), slow=True),
    _impersonator("wreq slow", "wreq", ("Chrome154", "Firefox152"), slow=True),
    _impersonator("httpcloak slow", "httpcloak", ("chrome-latest-windows",), slow=True),
    Configuration(
        "requests slow as chrome",
        "requests slow",
        Kind.SLOW,
        "libraries",
        {"library": "requests"},
        ("slow",),
        ("pip:requests",),
        batch=_BATCH,
        headers="chrome",
    ),
)
