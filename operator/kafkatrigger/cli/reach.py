"""A trigger's consumers, and running a program beside each of them: in their pods, or on this machine.

On a cluster that is `kubectl exec`: who asks is whoever kubectl says, with any way to log in that it knows, and
Kubernetes decides whether that person may. The program reads one line and writes one line, and nothing of it is secret
to somebody who may exec into the container.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from kafkatrigger.api import control
from kafkatrigger.api.consumer_config import CONFIG_PATH, CONTROL_SOCKET, ConsumerConfig
from kafkatrigger.api.resources import PLURAL
from kafkatrigger.cli.local import runs_of
from kafkatrigger.controller.names import consumer_name, selector_text
from kafkatrigger.controller.pods import pod

CONTAINER = "consumer"
DEFAULT_NAMESPACE = "default"
"""Of a trigger on this machine."""

QUIET_SECONDS = 10.0
"""What a consumer has to answer somebody who watches many: a node that is gone must not keep the others waiting."""

Run = Callable[[Sequence[str], bytes], bytes]


class ReachError(click.ClickException):
    """A consumer cannot be asked; the message says which one, why, and what to do."""


class Place(NamedTuple):
    """Where a trigger runs, as the command line says it."""

    name: str
    namespace: str | None
    context: str | None
    kubeconfig: str | None
    local: bool


class Consumer(NamedTuple):
    """One consumer of a trigger."""

    name: str
    run: Run
    """`python -m` with these arguments where the consumer is; standard input and output. ReachError."""
    socket: str
    config: str

    def ask(self, request: control.Request) -> control.Answer:
        """The answer of the running consumer; ReachError where there is none."""
        line = self.run(
            ["kafkatrigger.consumer.control", "--socket", self.socket], msgspec.json.encode(request) + b"\n"
        )
        try:
            return msgspec.json.decode(line, type=control.Answer)
        except msgspec.DecodeError as error:
            raise ReachError(f"{self.name} does not answer as a consumer of this version: {error}") from None


def consumers(place: Place) -> list[Consumer]:
    """Those that can be asked now, at least one; a warning names the others. ReachError where there are none."""
    found = list(_on_this_machine(place) if place.local else _on_the_cluster(place))
    if not found:
        raise ReachError(nobody(place))
    return found


def trigger(place: Place) -> dict[str, Any]:
    """The trigger as the cluster has it; ReachError where there is none."""
    return _got(place, PLURAL, place.name)


def items(place: Place, kind: str, *options: str) -> list[dict[str, Any]]:
    """Objects of the cluster; ReachError where they cannot be listed."""
    found: list[dict[str, Any]] = json.loads(_output([*_kubectl(place), "get", kind, *options, "--output=json"], b""))[
        "items"
    ]
    return found


def configuration(place: Place) -> ConsumerConfig:
    """What the operator told the trigger's consumers, whether they run or not; ReachError where it told them nothing."""
    data = _got(place, "configmaps", consumer_name(place.name)).get("data", {})
    try:
        return msgspec.json.decode(data.get("consumer.json", ""), type=ConsumerConfig)
    except msgspec.DecodeError as error:
        raise ReachError(f"the configuration of {place.name} is not of this version: {error}") from None


def quiet_consumer(place: Place, name: str) -> Consumer:
    """That of the pod, for whoever looks again and again: what goes wrong is in the error alone, and is told soon."""
    return Consumer(f"{place.namespace}/{name}", _in_pod(_kubectl(place), name, _quietly), CONTROL_SOCKET, CONFIG_PATH)


def local_consumer(folder: Path) -> Consumer | None:
    """That of the run with this folder; None where it has ended."""
    path = folder / "control.sock"
    if not _listens(path):
        return None
    return Consumer(f"run {folder.name}", _run_here, str(path), str(folder / "consumer.json"))


def set_field(place: Place, path: str, value: object) -> None:
    """Replaces one part of the trigger, as whoever kubectl says; ReachError where that is refused."""
    patch = json.dumps([{"op": "add", "path": path, "value": value}])
    _output([*_kubectl(place), "patch", PLURAL, place.name, "--type=json", f"--patch={patch}", "--output=name"], b"")


def _got(place: Place, kind: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(_output([*_kubectl(place), "get", kind, name, "--output=json"], b""))
    return body


def nobody(place: Place) -> str:
    """Says that the trigger has no consumer, and why that may be."""
    if place.local:
        return f"no `kafkatrigger run` of the trigger {place.name} runs on this machine as this user (namespace {_local(place)})"
    return (
        f"no consumer pod of the trigger {place.name} runs in namespace {place.namespace or 'of the context'}: "
        "is the name right, is the trigger suspended or scaled to zero?"
    )


def _local(place: Place) -> str:
    return place.namespace or DEFAULT_NAMESPACE


def _on_this_machine(place: Place) -> Iterator[Consumer]:
    for folder in runs_of(_local(place), place.name):
        if consumer := local_consumer(folder):
            yield consumer


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True


def _run_here(arguments: Sequence[str], stdin: bytes) -> bytes:
    return _output([sys.executable, "-m", *arguments], stdin)


def _on_the_cluster(place: Place) -> Iterator[Consumer]:
    kubectl = _kubectl(place)
    for body in items(place, "pods", f"--selector={selector_text(place.name)}"):
        found = pod(body)
        if found.answers:
            yield Consumer(found.name, _in_pod(kubectl, found.name, _output), CONTROL_SOCKET, CONFIG_PATH)
        else:
            click.echo(f"pod {found.name} does not run: it was not asked", err=True)


def _kubectl(place: Place) -> list[str]:
    options = {"namespace": place.namespace, "context": place.context, "kubeconfig": place.kubeconfig}
    return ["kubectl", *(f"--{name}={value}" for name, value in options.items() if value)]


def _in_pod(kubectl: Sequence[str], name: str, output: Run) -> Run:
    def run(arguments: Sequence[str], stdin: bytes) -> bytes:
        where = ["exec", "--stdin", f"--container={CONTAINER}", name, "--"]
        return output([*kubectl, *where, "python", "-m", *arguments], stdin)

    return run


def _output(command: Sequence[str], stdin: bytes) -> bytes:
    """Standard output; what goes to standard error goes to the person at once."""
    try:
        result = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=False)
    except FileNotFoundError:
        raise _not_installed(command[0]) from None
    if result.returncode:
        raise ReachError(f"{' '.join(command[:2])} failed with exit code {result.returncode}, see above")
    return result.stdout


def _quietly(command: Sequence[str], stdin: bytes) -> bytes:
    """Standard output; the error has the last line of standard error."""
    try:
        result = subprocess.run(command, input=stdin, capture_output=True, timeout=QUIET_SECONDS, check=False)
    except FileNotFoundError:
        raise _not_installed(command[0]) from None
    except subprocess.TimeoutExpired:
        raise ReachError(f"no answer within {QUIET_SECONDS:.0f} s: does its node run?") from None
    if result.returncode:
        lines = result.stderr.decode(errors="replace").split("\n")
        raise ReachError(next((line for line in reversed(lines) if line.strip()), f"exit code {result.returncode}"))
    return result.stdout


def _not_installed(program: str) -> ReachError:
    return ReachError(f"{program} is not installed: install it, or use --local (or --brokers, for dead letters)")
