"""`control`, `node`, `token join` and `nodes`: the two roles on separate machines."""

import asyncio
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from seawall.api.codec import to_json
from seawall.cli.connect import connect
from seawall.cli.run import reachable_file, resolv_conf_argument
from seawall.cli.target import Target, named
from seawall.cli.watch import now_s
from seawall.console import fleet as draw
from seawall.console.output import Output, styled
from seawall.daemon.processes import prepare_data_dir, read_run_file
from seawall.errors import ConflictError, RefusedError, UnreachableError, UsageError
from seawall.exit_codes import DONE
from seawall.fleet.identity import Identity
from seawall.fleet.join import join, parse_control, parse_token
from seawall.fleet.mirrors import parse_mirror
from seawall.node.files import private_directory

_PORT_MAX: Final = 65_535
_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class ControlOptions:
    """Of `seawall control`; empty ones are off."""

    config: Path | None
    listen_nodes: str
    advertise: str
    database: str
    api: str
    mirror_dir: Path | None


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """Of `seawall node`; `token` is empty for a machine that has joined already."""

    control: tuple[str, ...]
    token: str
    name: str
    mirrors: tuple[str, ...]
    concurrency: int
    resolv_conf: Path | None


def control(output: Output, data_dir: Path, options: ControlOptions) -> NoReturn:
    """Become the parent of a control process.

    Raises:
        UsageError: an address is none, or there is no site file.
    """
    if options.config is not None and not reachable_file(options.config):
        raise UsageError(
            "site-file-missing",
            f"There is no site file {options.config}.",
            remedy="Leave out --config: apply site files with `seawall apply`.",
        )
    arguments = ["--config", os.fspath(options.config.absolute())] if options.config else []
    for option, address in (
        ("--listen-nodes", options.listen_nodes),
        ("--advertise", options.advertise),
        ("--api", options.api),
    ):
        if address:
            _check_address(option, address)
            arguments += [option, address]
    if options.mirror_dir is not None:
        arguments += ["--mirror-dir", os.fspath(options.mirror_dir.absolute())]
    if options.database:
        # Not as an argument: a password in it would be in every list of processes.
        os.environ["SEAWALL_DATABASE"] = options.database
    _become(output, "control", data_dir, arguments)


def node(output: Output, data_dir: Path, options: NodeOptions) -> int:
    """Join if there is a token, then become the parent of a node.

    Where a node runs on the data directory already, joining is all: it takes up what is new. A
    machine that is a node and cannot join again is started as the node that it is: a unit may
    have the token in its command, and control may be away when the machine boots.

    Raises:
        UsageError: no token on a machine that has not joined, or an argument that makes no sense.
        SeawallError: joining failed, and a node runs already or there is none to start.
    """
    for mirror in options.mirrors:
        parse_mirror(mirror)
    identity = Identity(data_dir / "identity")
    if options.token:
        runs = read_run_file(data_dir / "run" / "up.json") is not None
        try:
            _join(output, data_dir, identity, options)
        except (UnreachableError, RefusedError, ConflictError) as error:
            if runs or not identity.exists:
                raise
            words = "This machine could not join again, and starts as the node that it is: "
            _tell(output, "not-joined-again", words + error.message)
        if runs:
            _tell(output, "taken-up", "The node that runs here picks this up by itself.")
            return DONE
    elif not identity.exists:
        raise UsageError(
            "not-joined",
            f"The machine of {data_dir} has not joined a fleet.",
            remedy="Run the line that `seawall token join` prints on control.",
        )
    arguments = ["--fleet"]
    for mirror in options.mirrors:
        arguments += ["--mirror", mirror]
    if options.concurrency:
        arguments += ["--concurrency", str(options.concurrency)]
    arguments += resolv_conf_argument(options.resolv_conf)
    return _become(output, "node", data_dir, arguments)


def token_join(
    output: Output, target: Target, ttl: str, groups: tuple[str, ...], name: str | None
) -> int:
    """Make a join token and print the line to run on the machine, this once.

    Raises:
        UsageError: the name is empty, which would let in a node of any name; or `ttl` is no time.
    """
    only = named(name, "--name") or ""
    with connect(target) as client:
        made = client.join_token(only, groups, _duration_s(ttl))
    if output.json_format:
        output.write_json(to_json(made))
    else:
        output.show(styled(made.command))
        who = f"the node {made.node}" if made.node else "one node"
        output.show_aside(
            styled(f"It lets {who} join, once, within {ttl}. It is never shown again.")
        )
    return DONE


def nodes(output: Output, target: Target) -> int:
    """List the nodes of the fleet."""
    with connect(target) as client:
        view = client.nodes()
    output.tell(view, lambda: draw.nodes(view, now_s()))
    return DONE


def remove(output: Output, target: Target, name: str) -> int:
    """Believe a node no more.

    Raises:
        NotFoundError: there is none of that name.
    """
    with connect(target) as client:
        view = client.remove_node(name)
    words = (
        f"Node {view.name} was removed: control no longer answers it. It keeps serving its "
        "current release."
    )
    output.tell(view, lambda: styled(words))
    return DONE


def _join(output: Output, data_dir: Path, identity: Identity, options: NodeOptions) -> None:
    if not options.control:
        raise UsageError(
            "no-control",
            "--join needs the address of control: --control HOST:PORT.",
            remedy="Run the whole command that `seawall token join` printed.",
        )
    controls = tuple(parse_control(text) for text in options.control)
    token = parse_token(options.token)
    prepare_data_dir(data_dir)
    private_directory(data_dir / "node")
    name = options.name or _own_name()
    trusted = data_dir / "node" / "trusted.pub"
    answer = asyncio.run(join(identity, trusted, controls, token, name))
    groups = f" in {', '.join(answer.groups)}" if answer.groups else ""
    _tell(output, "joined", f"This machine is node {answer.node}{groups}.")
    skew_s = time.time() - answer.now_s  # noqa: TID251 - two machines' clocks are compared
    if abs(skew_s) > 60:  # noqa: PLR2004 - a minute is worth a word, a second is not
        _tell(output, "clock-skew", f"Its clock differs from control's by {abs(skew_s):.0f} s.")


def _own_name() -> str:
    """The host's name as a DNS label."""
    label = socket.gethostname().partition(".")[0].lower()
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in label).strip("-")
    return kept or "node"


def _become(output: Output, role: str, data_dir: Path, arguments: list[str]) -> NoReturn:
    command = [
        *(sys.executable, "-P", "-m", "seawall.daemon.roles"),
        *("--data-dir", os.fspath(data_dir.absolute())),
        *("--format", "json" if output.json_format else "text"),
        *(role, "--", *arguments),
    ]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is what we want


def _tell(output: Output, event: str, words: str) -> None:
    if output.json_format:
        output.write_json({"event": event, "message": words})
    else:
        output.show(styled(words))


def _check_address(option: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) <= _PORT_MAX):
        raise UsageError(
            "bad-address",
            f"{option} {address} is not HOST:PORT.",
            remedy=f"Write for example {option} 10.0.0.1:7443.",
        )


def _duration_s(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_S or not number.isdecimal():
        raise UsageError(
            "bad-duration", f"--ttl {text} is not a duration.", remedy="For example --ttl 1h."
        )
    return int(number) * _UNITS_S[unit]
