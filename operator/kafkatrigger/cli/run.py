"""`kafkatrigger run`: a trigger without a cluster, with the same consumer and runtime as in a pod."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from kafkatrigger.api.configure import start_policy
from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import to_environment
from kafkatrigger.api.validation import Accepted, Refused, accept
from kafkatrigger.cli.embedded import EmbeddedBroker
from kafkatrigger.cli.local import FolderError, new_run
from kafkatrigger.cli.local_transformations import LocalTransformations
from kafkatrigger.cli.manifest import ManifestError, load_trigger
from kafkatrigger.runtime.transformations.model import KIND
from kafkatrigger.runtime.transformations.problems import TransformationError

EMBEDDED = "embedded"
POLL_SECONDS = 0.2


@click.command(short_help="Run a trigger on this machine, without Kubernetes.")
@click.option(
    "-f",
    "--filename",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="File with the KafkaTrigger, as for kubectl apply.",
)
@click.option("--name", help="Which trigger, where the file holds several.")
@click.option(
    "--broker",
    metavar="embedded|HOST:PORT[,...]",
    help="Brokers to use instead of spec.kafka.bootstrapServers; `embedded` starts one inside this process.",
)
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Namespace that the group id is made with."
)
@click.option(
    "--path",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder to import the function from; may be repeated. Default: the folder of the file.",
)
@click.option(
    "--transformations",
    "transformations",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the Transformations that run, beside those of the file. Default: the folder of the file.",
)
@click.option("--port", default=8080, show_default=True, help="Port of /status and /metrics; 0 takes a free one.")
def run(
    path: Path,
    name: str | None,
    broker: str | None,
    namespace: str,
    folders: tuple[Path, ...],
    transformations: Path | None,
    port: int,
) -> None:
    """Run the trigger of a file until Ctrl-C.

    The file is read and checked as the operator would, and the consumer and runtime are those of a pod, as processes of
    this machine. Of the spec, what speaks of pods (images, podTemplate, scaling) does not apply here. Transformations are
    those of the file and of its folder; what is edited runs without a restart.
    """
    try:
        trigger = load_trigger(path, name)
    except ManifestError as error:
        raise click.ClickException(str(error)) from None
    embedded = EmbeddedBroker() if broker == EMBEDDED else None
    brokers = embedded.bootstrap if embedded else broker
    accepted = _accept(namespace, trigger, brokers)
    spec, config = accepted.spec, accepted.config
    there = LocalTransformations(path, transformations or path.resolve().parent) if config.transforming else None
    if there is not None:
        _look(there)
    if embedded:
        _create_topics(embedded, config)
        click.echo(f"embedded broker at {embedded.bootstrap}: its messages live as long as this process")
    click.echo(_summary(config))
    environment = _environment(spec, folders or (path.resolve().parent,))
    sys.exit(_supervise(config, spec.runtime.workers, environment, port, there))


def _accept(namespace: str, trigger: dict[str, Any], brokers: str | None) -> Accepted:
    """The trigger with the brokers of the command line; a ClickException with a sentence for each thing that is wrong."""
    given = trigger.get("spec")
    if brokers and isinstance(given, dict):
        given = {**given, "kafka": {**(given.get("kafka") or {}), "bootstrapServers": brokers.split(",")}}
    result = accept(namespace, str(trigger["metadata"]["name"]), given, defaults={})
    if isinstance(result, Refused):
        raise click.ClickException(result.message)
    return result


def _create_topics(broker: EmbeddedBroker, config: ConsumerConfig) -> None:
    """The embedded broker's CreateTopics does not exist: the consumer finds its topics made."""
    written = [config.dead_letter, *config.result_topics]
    for topic in (*config.topics, config.redrive_topic, *(each.topic for each in written)):
        broker.create(topic)


def _summary(config: ConsumerConfig) -> str:
    response = f", responses to {config.response.topic}" if config.response else ""
    failures = {
        "DeadLetter": f"dead letters to {config.dead_letter.topic}",
        "Block": "failures block their keys",
        "Skip": "failures are skipped",
        "Stop": "a failure stops it",
    }[config.on_failure]
    if config.is_request:
        failures = "failures are answered"
    return f"{', '.join(config.sources)} -> {_what_runs(config)}{response}, {failures}; Ctrl-C ends it"


def _what_runs(config: ConsumerConfig) -> str:
    if config.transforming is None:
        return config.function
    return "what requests name" if config.is_request else f"{KIND} {config.transforming.ref}"


def _look(there: LocalTransformations) -> bool:
    """Whether there are other Transformations than before; a ClickException where one cannot be read."""
    try:
        return there.look()
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    except (ManifestError, TransformationError) as error:
        raise click.ClickException(str(error)) from None


def _renew(there: LocalTransformations, file: Path) -> None:
    """Hands changed Transformations to the consumer; where one cannot be read, those before stay."""
    try:
        if _look(there):
            _put(file, there.json)
    except click.ClickException as error:
        click.echo(f"the Transformations stay as they were: {error.message}", err=True)


def _put(file: Path, content: bytes) -> None:
    """In one step: whoever reads it meanwhile sees the one or the other."""
    scratch = file.with_suffix(".new")
    scratch.write_bytes(content)
    scratch.replace(file)


def _environment(spec: KafkaTriggerSpec, folders: tuple[Path, ...]) -> dict[str, str]:
    """What a pod's containers would have: the start policy, the variables that have a value, the function's folders."""
    variables = {each.name: each.value for each in spec.runtime.env if each.value is not None}
    paths = [*map(str, folders), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **variables,
        **to_environment(start_policy(spec)),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def _supervise(
    config: ConsumerConfig,
    workers: int,
    environment: dict[str, str],
    port: int,
    there: LocalTransformations | None = None,
) -> int:
    """Both processes until one of them ends or a signal comes; the exit code."""
    with _folder(config) as folder, _signals() as stopped:
        socket, configuration = f"{folder}/runtime.sock", Path(folder, "consumer.json")
        configuration.write_bytes(msgspec.json.encode(config))
        transformations = Path(folder, "transformations.json")
        if there is not None:
            _put(transformations, there.json)
        runtime = _start(environment, "kafkatrigger.runtime", "--socket", socket, "--workers", str(workers))
        consumer = _start(
            environment,
            "kafkatrigger.consumer",
            "--config",
            str(configuration),
            "--socket",
            socket,
            "--control",
            f"{folder}/control.sock",
            *(["--transformations", str(transformations)] if there is not None else []),
            "--port",
            str(port),
        )
        while not stopped and consumer.poll() is None and runtime.poll() is None:
            time.sleep(POLL_SECONDS)
            if there is not None:
                _renew(there, transformations)
        consumer.terminate()  # drains, commits, leaves the group
        code = consumer.wait()
        runtime.terminate()
        return code or (0 if stopped else runtime.wait())


def _folder(config: ConsumerConfig) -> tempfile.TemporaryDirectory[str]:
    """Where the commands for dead letters and blocked keys find this run."""
    try:
        return new_run(config.namespace, config.name)
    except (OSError, FolderError) as error:
        raise click.ClickException(f"there is no place for the sockets of this run: {error}") from None


def _start(environment: dict[str, str], module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """In a session of its own, so that Ctrl-C reaches this process alone, which ends the others in their order."""
    return subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, start_new_session=True)


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that asked this process to end."""
    received: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda which, _: received.append(which)) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
