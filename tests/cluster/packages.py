"""Debian packages: installs those that are missing, and knows the machine's mirror."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .cache import lock
from .errors import ClusterError
from .shell import output_of, run

# A program of each package tells whether it is there, without asking dpkg. These are for every provider, because
# tests start an API server and a broker of their own;
_FOR_TESTS = {"etcd-server": "etcd", "openssl": "openssl", "maven": "mvn"}
# and these are for the native cluster.
_FOR_NATIVE = {
    **_FOR_TESTS,
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "iptables": "iptables",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "ethtool": "ethtool",
    "socat": "socat",
    "buildah": "buildah",
    "skopeo": "skopeo",
    "debootstrap": "debootstrap",
}
_ADVICE = "apt must be able to install packages here; try `apt-get update`, then this command again"


def install_missing(native: bool) -> str | None:
    """Installs what is missing; "cached" when nothing is."""
    return install(_FOR_NATIVE if native else _FOR_TESTS)


def install(needed: Mapping[str, str]) -> str | None:
    """Installs those packages of which a program is missing; "cached" when none is."""
    missing = [package for package, program in needed.items() if not _found(program)]
    if not missing:
        return "cached"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ClusterError(
            f"these Debian packages are missing: {' '.join(missing)}", "install them, or run this as root"
        )
    with lock("packages"):
        _install(missing)
    return None


def _found(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None


def _install(packages: list[str]) -> None:
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(command, env=env)
    except ClusterError:
        # The package lists are old or missing.
        run(["apt-get", "update", "--quiet"], advice=_ADVICE)
        run(command, env=env, advice=_ADVICE)


def mirror() -> str:
    """The Debian mirror that this machine uses."""
    sources = output_of(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"]
    )
    for line in sources.splitlines():
        address, _, archive = line.partition(" ")
        if archive == "Debian Debian":
            return address
    raise ClusterError("apt knows no Debian mirror", "add one to its sources and run `apt-get update`")
