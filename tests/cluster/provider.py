"""Which kind of cluster this machine gets, and what differs between the two."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

from . import buildah, docker, kind, native
from .errors import ClusterError, UnsupportedMachineError
from .images import Builder
from .settings import NODE_ADDRESS, STATE


@dataclass(frozen=True)
class Provider:
    name: str
    host_address: str
    """Where programs of this machine reach the node ports."""
    up: Callable[[], str | None]
    is_up: Callable[[], bool]
    builder: Builder

    @property
    def is_native(self) -> bool:
        return self.name == "native"


def choose(*, audit: bool = False) -> Provider:
    """kind where a Docker engine can run it, else this machine itself; raises `UnsupportedMachineError` when neither goes."""
    # What is there stays what it is, also when a Docker engine appears beside it.
    if not STATE.exists() and kind.usable():
        if audit:
            raise ClusterError("the audit log is not available with kind")
        return _kind()
    try:
        native.check_machine()
    except ClusterError as error:
        reason = f"no cluster can run on this machine: no usable Docker engine answers, and {error}"
        advice = "start a Docker engine that can have kind's node image, or run this as root on Debian 12 or newer"
        raise UnsupportedMachineError(reason, advice) from error
    return _native(audit)


def down() -> None:
    """Ends the cluster of either provider, and what is left of one."""
    if os.geteuid() == 0:
        native.down()
        buildah.release()
    kind.down()


def _native(audit: bool) -> Provider:
    return Provider("native", NODE_ADDRESS, functools.partial(native.up, audit=audit), native.healthy, buildah)


def _kind() -> Provider:
    return Provider("kind", kind.HOST_ADDRESS, kind.up, kind.healthy, docker)
