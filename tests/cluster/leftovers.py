"""Removes what a cluster leaves in the kernel and the file system, also when its processes were killed.

Everything is recognised by a name that only this cluster uses: its folders, its bridge, its cgroup, its address.
The chains of kube-proxy and of the port mappings are the exception; `native` refuses machines that have a kubelet of
their own.
"""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Collection
from pathlib import Path

from .process import Process
from .settings import BRIDGE, CGROUP, CONTAINERD_SOCKET, NODE_ADDRESS, RUN, STATE
from .shell import output_of, run, succeeds
from .waiting import wait_until

_OURS = re.compile(rf"KUBE-|CNI-|{BRIDGE}")
_CNI_RESULTS = Path("/var/lib/cni/results")
_SHIM_SOCKETS = Path("/run/containerd/s")
_LEGACY_LOGS = Path("/var/log/containers")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")


def remove(daemons: Collection[str]) -> None:
    _kill_daemons(daemons)
    _kill_shims()
    _kill_containers()
    _remove_sockets_of_shims()
    _unmount()
    _remove_links()
    _remove_rules()
    _remove_address()
    _remove_cgroups()
    _remove_files()


def exist() -> bool:
    """Whether anything is there to be removed."""
    return STATE.exists() or RUN.exists() or bool(_cgroups()) or Path(f"/sys/class/net/{BRIDGE}").exists()


def _kill_daemons(names: Collection[str]) -> None:
    """Those that no file tells of, because their starter was killed at that moment."""
    for process in Process.all():
        if process.program in names and process.mentions(STATE):
            process.kill()


def _kill_shims() -> None:
    for process in Process.all():
        if process.program.startswith("containerd-shim") and str(CONTAINERD_SOCKET) in process.command:
            process.kill()


def _kill_containers() -> None:
    """Ends what runs in the cluster's cgroups: processes whose shim is gone have no other mark."""

    def members() -> list[int]:
        return [int(pid) for group in _cgroups() for pid in _read(group / "cgroup.procs").split()]

    def gone() -> bool:
        for pid in (left := members()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(gone, what="the containers' processes to end", seconds=20)


def _cgroups() -> list[Path]:
    """Every cgroup of the cluster, children before their parents, in all hierarchies."""
    roots = [*Path("/sys/fs/cgroup").glob(f"{CGROUP}/"), *Path("/sys/fs/cgroup").glob(f"*/{CGROUP}/")]
    return [Path(folder) for root in roots for folder, _, _ in os.walk(root, topdown=False)]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _remove_sockets_of_shims() -> None:
    for address in RUN.glob("containerd/io.containerd.runtime.v2.task/*/*/address"):
        Path(_read(address).strip().removeprefix("unix://")).unlink(missing_ok=True)
    for folder in (_SHIM_SOCKETS, _SHIM_SOCKETS.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _unmount() -> None:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    ours = [point for point in points if point.startswith((f"{STATE}/", f"{RUN}/"))]
    for point in sorted(ours, reverse=True):
        # An octal escape stands for a space; lazily, because a dead process may still be counted as its user.
        succeeds(["umount", "--lazy", point.replace("\\040", " ")])


def _remove_links() -> None:
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        return
    for line in output_of(["ip", "-o", "link", "show", "master", BRIDGE]).splitlines():
        succeeds(["ip", "link", "delete", line.split()[1].split("@")[0].rstrip(":")])
    succeeds(["ip", "link", "delete", BRIDGE])


def _remove_rules() -> None:
    for tool in ("iptables", "ip6tables"):
        if not shutil.which(tool) or not succeeds([f"{tool}-save"]):
            continue
        rules = output_of([f"{tool}-save"])
        if _OURS.search(rules):
            kept = [line for line in rules.splitlines() if not _OURS.search(line)]
            run([f"{tool}-restore"], stdin="\n".join([*kept, ""]))


def _remove_address() -> None:
    if f"inet {NODE_ADDRESS}/32" in output_of(["ip", "-4", "addr", "show", "dev", "lo"]):
        run(["ip", "addr", "del", f"{NODE_ADDRESS}/32", "dev", "lo"])


def _remove_cgroups() -> None:
    for group in _cgroups():
        with contextlib.suppress(OSError):
            group.rmdir()


def _remove_files() -> None:
    _remove_where(_CNI_RESULTS, lambda file: str(RUN) in _read(file))
    _remove_where(_LEGACY_LOGS, lambda link: link.is_symlink() and str(link.readlink()).startswith(f"{STATE}/"))
    _remove_where(
        _DEVICE_PLUGINS, lambda file: file.name in ("kubelet.sock", "kubelet_internal_checkpoint", "DEPRECATION")
    )
    for folder in (STATE, RUN):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_where(folder: Path, ours: Callable[[Path], bool]) -> None:
    """Removes our files from a folder that others may use, and the folder and its parent when nothing is left."""
    if not folder.is_dir():
        return
    for file in [file for file in folder.iterdir() if ours(file)]:
        file.unlink(missing_ok=True)
    for empty in (folder, folder.parent):
        with contextlib.suppress(OSError):
            if empty.parent != Path("/var"):
                empty.rmdir()
