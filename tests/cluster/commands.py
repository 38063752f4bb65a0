"""What the commands consist of: steps, and which of them must wait for which."""

from collections.abc import Sequence
from pathlib import Path

from . import base_image, kafka_in_cluster, kafka_jars, native, packages, prometheus
from .errors import ClusterError
from .images import Image, of_kafka, of_target, of_user
from .programs import (
    COREDNS_PROGRAM,
    HELM_PROGRAM,
    KIND_PROGRAM,
    KUBERNETES_PROGRAMS,
    PAUSE_PROGRAM,
    VERSITYGW_PROGRAM,
    GoProgram,
)
from .provider import Provider
from .settings import AUDIT_LOG, KAFKA, KUBECONFIG, KUBERNETES, TARGETS, image_of
from .steps import Plan, Step


def up(provider: Provider) -> None:
    Plan([*_prepared(provider), _cluster(provider)]).run()
    _print_kubeconfig()


def tools() -> None:
    Plan([_packages(native=False), *_programs(), _object_store(), _jars(), _prometheus()]).run()


def images(provider: Provider, selection: list[Image]) -> None:
    _require_cluster(provider)
    Plan([*_base(provider), *_images(provider, selection)]).run()


def kafka(provider: Provider) -> None:
    _require_cluster(provider)
    Plan([*_base(provider), _jars(), *_kafka(provider)]).run()
    _print_kafka(provider)


def everything(provider: Provider) -> None:
    project = _images(provider, [of_target(target) for target in TARGETS])
    prepared = [*_prepared(provider), *_base(provider), _jars(), _prometheus()]
    Plan([*prepared, _cluster(provider), *project, *_kafka(provider)]).run()
    _print_kafka(provider)
    _print_kubeconfig()


def selected(
    targets: list[str], dockerfile: Path | None, tag: str | None, build_args: Sequence[str] = ()
) -> list[Image]:
    """The images that the arguments of `images` mean."""
    if dockerfile is None and tag is None:
        return [of_target(target) for target in targets or TARGETS]
    if dockerfile is None or tag is None or targets:
        raise ClusterError("--file and --tag belong together, and replace the names of targets")
    arguments = {name: value for name, _, value in (each.partition("=") for each in build_args)}
    image = of_user(dockerfile, tag, arguments)
    # Those of ours that it builds on come first, so that it never gets an older one.
    said = [dockerfile.read_text(), *build_args]
    bases = [of_target(target) for target in TARGETS if any(image_of(target) in text for text in said)]
    return [*bases, image]


def status(provider: Provider) -> None:
    print(f"provider: {provider.name}")
    if provider.is_native:
        for name, pid in native.processes().items():
            print(f"  {name:24} {f'process {pid}' if pid else 'not running'}")
    running = provider.is_up()
    print(f"cluster: {'up' if running else 'down'}")
    if running:
        print(f"images: {', '.join(sorted(n for n in provider.builder.loaded() if '/' in n))}")
        _print_kafka(provider)
        _print_kubeconfig()
    if AUDIT_LOG.exists():
        print(f"audit log: {AUDIT_LOG}")


def _prepared(provider: Provider) -> list[Step]:
    """What a cluster needs before it can start."""
    if provider.is_native:
        programs = (COREDNS_PROGRAM, PAUSE_PROGRAM)
        own = _go("coredns", "building CoreDNS (about 1 minute, once)", programs, "kubernetes")
    else:
        own = _go("kind", "building kind (about 1 minute, once)", (KIND_PROGRAM,), "kubernetes")
    kubernetes, helm = _programs()
    return [_packages(provider.is_native), kubernetes, own, helm]


def _packages(native: bool) -> Step:
    return Step("packages", "installing Debian packages", lambda: packages.install_missing(native))


def _programs() -> list[Step]:
    """Built one after the other, because each build uses all processors; helm last, nothing waits for it."""
    return [
        _go("kubernetes", f"building Kubernetes {KUBERNETES} (about 5 minutes, once)", (KUBERNETES_PROGRAMS,)),
        _go("helm", "building helm (about 1 minute, once)", (HELM_PROGRAM,), "kubernetes", "coredns", "kind"),
    ]


def _object_store() -> Step:
    """For the integration tests alone."""
    return _go("versitygw", "building versitygw (about 1 minute, once)", (VERSITYGW_PROGRAM,), "kubernetes", "helm")


def _go(name: str, title: str, programs: tuple[GoProgram, ...], *needs: str) -> Step:
    return Step(name, title, lambda: _cached([program.ensure() for program in programs]), needs)


def _cluster(provider: Provider) -> Step:
    needed = ("packages", "kubernetes", "coredns" if provider.is_native else "kind")
    return Step("cluster", f"starting the cluster ({provider.name})", provider.up, needed)


def _base(provider: Provider) -> list[Step]:
    if not provider.is_native:
        return []
    return [
        Step(
            "base",
            "making the base image (about 1 minute, once)",
            lambda: _cached([base_image.ensure()]),
            ("packages",),
        )
    ]


def _jars() -> Step:
    title = f"downloading Apache Kafka {KAFKA}"
    return Step("kafka-jars", title, lambda: _cached([kafka_jars.ensure()]), ("packages",))


def _prometheus() -> Step:
    # After the packages, which may update apt's lists.
    return Step("prometheus", "downloading Prometheus", lambda: _cached([prometheus.ensure()]), ("packages",))


def _images(provider: Provider, selection: list[Image]) -> list[Step]:
    builder = provider.builder
    names = ", ".join(image.target or image.name for image in selection)
    return [
        Step("build", f"building images: {names}", lambda: _all([i.build(builder) for i in selection]), ("base",)),
        Step(
            "load", f"loading images: {names}", lambda: _all([i.load(builder) for i in selection]), ("build", "cluster")
        ),
    ]


def _kafka(provider: Provider) -> list[Step]:
    image, builder = of_kafka(), provider.builder
    return [
        Step("kafka-build", "building image: kafka", lambda: image.build(builder), ("base", "kafka-jars")),
        Step("kafka-load", "loading image: kafka", lambda: image.load(builder), ("kafka-build", "cluster")),
        Step("kafka", "running Kafka", lambda: kafka_in_cluster.deploy(provider.host_address), ("kafka-load",)),
    ]


def _cached(were_there: list[bool]) -> str | None:
    return "cached" if all(were_there) else None


def _all(notes: list[str | None]) -> str | None:
    return _cached([note is not None for note in notes])


def _require_cluster(provider: Provider) -> None:
    if not provider.is_up():
        raise ClusterError("the cluster is not up", "run `python3 -m tests.cluster up`")


def _print_kafka(provider: Provider) -> None:
    print(
        f"Kafka: {kafka_in_cluster.bootstrap(provider.host_address)} from this machine, kafka.kafka.svc:9092 from pods"
    )


def _print_kubeconfig() -> None:
    print(f"export KUBECONFIG={KUBECONFIG}")
