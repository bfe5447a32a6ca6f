"""`up`, `down` and `demo`: handing over to the processes that stay."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from seawall.console.output import Output, styled
from seawall.daemon.standin import place_of, served
from seawall.daemon.stop import Running, leave, running, stop
from seawall.errors import UsageError
from seawall.exit_codes import DONE, REFUSED

_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Of `seawall up`; empty ones are off."""

    config: Path
    data_dir: Path
    api: str
    concurrency: int
    resolv_conf: Path | None


def up(output: Output, options: UpOptions) -> NoReturn:
    """Become the supervisor: this process is replaced by one that imports next to nothing.

    Raises:
        UsageError: there is neither a site file nor anything to serve without it, `api` is no
            HOST:PORT, or there is no such resolv.conf.
    """
    config, api = options.config, options.api
    if not _served(options.data_dir.absolute()) and not reachable_file(config):
        raise UsageError(
            "site-file-missing",
            f"There is no site file {config}.",
            remedy="Write one with `seawall init --origin URL`, or name it with --config.",
        )
    _check_address(api)
    arguments = ["--config", os.fspath(config), "--data-dir", os.fspath(options.data_dir)]
    if api:
        arguments += ["--api", api]
    if options.concurrency:
        arguments += ["--concurrency", str(options.concurrency)]
    arguments += resolv_conf_argument(options.resolv_conf)
    arguments += ["--format", "json" if output.json_format else "text"]
    command = [sys.executable, "-P", "-m", "seawall.daemon.up", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is what we want


def _served(data_dir: Path) -> bool:
    """Whether there is something to serve although the site file is lost, or its disk not there."""
    try:
        return served(place_of(data_dir))
    except OSError:  # closed to this user: whoever takes the directory says so
        return False


def resolv_conf_argument(path: Path | None) -> list[str]:
    """What the node's process is told of the resolvers to use; nothing for those of the system.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    if path is None:
        return []
    try:
        path.open("rb").close()
    except OSError as error:
        raise UsageError(
            "resolv-conf-unreadable",
            f"The file {path} that --resolv-conf names cannot be read: {error.strerror}.",
            remedy="Give a file with `nameserver` lines, or leave the option out.",
        ) from error
    return ["--resolv-conf", os.fspath(path.absolute())]


def reachable_file(config: Path) -> bool:
    """Whether a site file is there.

    Raises:
        UsageError: that cannot be known, since the way to it is closed to this user.
    """
    try:
        return config.is_file()
    except OSError as error:
        raise UsageError(
            "site-file-unreadable",
            f"The site file {config} cannot be read: {error.strerror}.",
            remedy="Give Seawall's user access to the directories above it, or move the file.",
        ) from error


def down(output: Output, data_dir: Path, *, keep_serving: bool) -> int:
    """Stop the supervisor, which stops everything; or the Envoy that outlived one.

    Args:
        output: where it is told.
        data_dir: what runs on it.
        keep_serving: let Envoy serve on, for the next start to take over.
    """
    place = place_of(data_dir.absolute())
    found = running(place)
    if found is None:
        _tell(output, stopped=False, words=f"Nothing runs on {data_dir}.")
        return DONE
    have = "has" if len(found.processes) == 1 else "have"
    if keep_serving and not found.supervised:
        _tell(output, stopped=False, words=f"{found.words} already serves by itself.", left=found)
        return DONE
    if not (leave(found) if keep_serving else stop(found)):
        _tell(output, stopped=False, words=f"{found.words} {have} not ended yet.")
        return REFUSED
    words = f"{found.words} {have} stopped."
    left = running(place) if keep_serving else None
    if left is not None:
        words += f" {left.words} keeps serving; the next start on {data_dir} takes it over."
    _tell(output, stopped=True, words=words, left=left)
    return DONE


def demo(output: Output, data_dir: Path) -> int:
    """Run the demo until Ctrl-C."""
    from seawall.demo.run import run_demo  # noqa: PLC0415 - no other command needs it

    return run_demo(output, data_dir.absolute())


def _tell(output: Output, *, stopped: bool, words: str, left: Running | None = None) -> None:
    if output.json_format:
        serving = [process.pid for process in left.processes] if left is not None else []
        output.write_json({"stopped": stopped, "message": words, "serving": serving})
    else:
        output.show(styled(words))


def _check_address(api: str) -> None:
    host, _, port = api.rpartition(":")
    if api and not (host and port.isdecimal() and 0 < int(port) <= _PORT_MAX):
        raise UsageError(
            "bad-api-address",
            f"--api {api} is not HOST:PORT.",
            remedy="Write for example --api 127.0.0.1:9180.",
        )
