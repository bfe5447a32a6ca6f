"""Structured logs: one JSON object a line, to stderr or to bounded, private, rotated files.

`configure` is called once by each process of `daemon`; everybody else says
`structlog.get_logger()`. Lines of the standard library's `logging` (servers, gRPC) come out in the
same form. What looks like a secret is replaced before it is written, and a log that cannot be
written (a full disk) never disturbs the program.
"""

import io
import logging
import logging.handlers
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import structlog

from seawall.errors import SeawallError
from seawall.limits import LOG_FILE_SIZE_BYTES_MAX, LOG_FILES_MAX, LOG_VALUE_LENGTH_CHARS_MAX
from seawall.secret import REDACTED, Secret

_SECRET_KEY: Final = re.compile(
    r"(^|_)(token|secret|password|passwd|authorization|cookie|key_pem|private_key|credential)s?$",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bBearer\s+[A-Za-z0-9._~+/=-]+",
    re.DOTALL,
)
_NESTING_MAX: Final = 4
_FILE_MODE: Final = 0o600


def configure(component: str, *, path: Path | None = None) -> None:
    """Send this process's logs to `path`, or to stderr; may be called again to change that.

    Args:
        component: `control`, `node` or `up`; stands in every line.
        path: log file; its directory must exist. At most `LOG_FILES_MAX` files are kept.

    Raises:
        OSError: `path` cannot be opened for writing.
    """
    handler = logging.StreamHandler(sys.stderr) if path is None else _PrivateFile(path)
    shared = _shared(component)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                structlog.processors.JSONRenderer(default=_plain),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace what looks like a secret, and shorten what is too long; a structlog processor."""
    return {key: _clean(key, value, _NESTING_MAX) for key, value in event.items()}


def _clean(key: str, value: Any, nesting: int) -> Any:
    if _SECRET_KEY.search(key) and value not in (None, "", 0, False):
        return REDACTED
    if isinstance(value, Mapping) and nesting:
        return {str(k): _clean(str(k), v, nesting - 1) for k, v in value.items()}
    if isinstance(value, list | tuple) and nesting:
        return [_clean("", each, nesting - 1) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _SECRET_TEXT.sub(REDACTED, _plain(value))
    if len(text) <= LOG_VALUE_LENGTH_CHARS_MAX:
        return text
    return f"{text[:LOG_VALUE_LENGTH_CHARS_MAX]}… ({len(text)} characters)"


def _plain(value: Any) -> str:
    """Anything as text; bytes are never written, they may be a key or a bundle."""
    if isinstance(value, Secret):
        return REDACTED
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, SeawallError) and value.detail:
        return f"{value} [{value.detail}]"
    return str(value)


def _shared(component: str) -> list[structlog.typing.Processor]:
    def name_component(
        _logger: object, _method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["component"] = component
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        name_component,
    ]


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotated log file that only its owner may read.

    Whoever renames, replaces or removes it, as logrotate does, finds the next line in a new one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            maxBytes=LOG_FILE_SIZE_BYTES_MAX,
            backupCount=LOG_FILES_MAX - 1,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, where the name now leads to."""
        if (stream := self.stream) is not None and not self._is_current(stream):
            self.stream = None
            with suppress(OSError):
                stream.close()
        super().emit(record)

    def _is_current(self, stream: io.TextIOWrapper) -> bool:
        try:
            there = Path(self.baseFilename).stat()
            return os.path.samestat(os.fstat(stream.fileno()), there)
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            return True

    def _open(self) -> io.TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_private
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, _FILE_MODE)
