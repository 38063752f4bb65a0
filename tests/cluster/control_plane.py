"""etcd, kube-apiserver and the controllers: started here for the native cluster and for tests that need no node."""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from . import scratch
from .api_client import ApiClient
from .certificates import Authority, Pair
from .process import Daemon
from .settings import SERVICE_NETWORK, SERVICE_OF_API
from .tools import tools
from .waiting import free_ports

# kube-apiserver creates its default roles after it reports ready; this one comes last, and what starts before it
# ends with a forbidden request.
_LAST_DEFAULT_ROLE = (
    "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings/"
    "system::extension-apiserver-authentication-reader"
)


@dataclass(frozen=True)
class ControlPlaneSettings:
    """Where a control plane listens, and where it keeps what it has."""

    folder: Path
    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    api_server_args: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def authority(self) -> Authority:
        return Authority(self.folder / "pki")

    @property
    def client(self) -> ApiClient:
        return ApiClient.admin(self.address, self.port, self.authority)

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.folder)

    def kubeconfig(self, user: str, *, group: str = "") -> Path:
        """The kubeconfig of a user of the cluster, made when it is missing."""
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        if not path.exists():
            pair = self.authority.client(user, group=group, file=user.replace(":", "-"))
            self.authority.kubeconfig(path, self.server, pair)
        return path


def start_api_server(settings: ControlPlaneSettings) -> None:
    """Starts etcd and kube-apiserver, returns when the default roles exist."""
    settings.authority.ensure()
    settings.daemon("etcd").start(_etcd(settings))
    start_kube_apiserver(settings)


def start_kube_apiserver(settings: ControlPlaneSettings) -> None:
    """The same without etcd, which runs already."""
    api_server = settings.daemon("kube-apiserver")
    api_server.start(_kube_apiserver(settings))
    client = settings.client
    api_server.wait(lambda: client.exists("/readyz") and client.exists(_LAST_DEFAULT_ROLE), seconds=60)


def start_controller_manager(settings: ControlPlaneSettings, *args: str) -> None:
    config = settings.kubeconfig("system:kube-controller-manager")
    settings.daemon("kube-controller-manager").start(
        [
            tools().kube_controller_manager,
            *(f"--{use}={config}" for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
            f"--service-account-private-key-file={settings.authority.signing_key('service-accounts')}",
            f"--root-ca-file={settings.authority.pair.certificate}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            # It creates this folder, by default below /usr.
            f"--flex-volume-plugin-dir={settings.folder}/volume-plugins",
            *args,
        ]
    )


def _etcd(settings: ControlPlaneSettings) -> list[str | Path]:
    clients = f"http://127.0.0.1:{settings.etcd_port}"
    return [
        "etcd",
        f"--data-dir={settings.folder}/etcd",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls=http://127.0.0.1:{settings.etcd_peer_port}",
        # Nothing here must survive a power failure, and waiting for the disk is most of etcd's time.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _kube_apiserver(settings: ControlPlaneSettings) -> list[str | Path]:
    authority = settings.authority
    serving, kubelet_client = _serving_certificate(settings), authority.client("admin", group="system:masters")
    service_accounts = authority.signing_key("service-accounts")
    return [
        tools().kube_apiserver,
        f"--etcd-servers=http://127.0.0.1:{settings.etcd_port}",
        f"--bind-address={settings.address}",
        f"--advertise-address={settings.address}",
        f"--secure-port={settings.port}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.pair.certificate}",
        f"--service-account-key-file={service_accounts}",
        f"--service-account-signing-key-file={service_accounts}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={kubelet_client.certificate}",
        f"--kubelet-client-key={kubelet_client.key}",
        *settings.api_server_args,
    ]


def _serving_certificate(settings: ControlPlaneSettings) -> Pair:
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    addresses = dict.fromkeys(["127.0.0.1", SERVICE_OF_API, settings.address])
    names = [f"DNS:{name}" for name in ["localhost", *service]] + [f"IP:{address}" for address in addresses]
    return settings.authority.server("kube-apiserver", names)


@dataclass
class ControlPlane:
    """A Kubernetes API without nodes, for tests: schemas, CEL rules, server-side apply, RBAC, operators.

    Up in about 4 s, on free ports, without root; everything it has is gone when the context ends. Pods are accepted and
    never run. With `controllers` there is also a kube-controller-manager: Deployments get their ReplicaSets,
    namespaces can be deleted, and owned objects are garbage collected.
    """

    controllers: bool = False
    api_server_args: tuple[str, ...] = ()
    _settings: ControlPlaneSettings = field(init=False)

    def __post_init__(self) -> None:
        port, etcd_port, etcd_peer_port = free_ports(3)
        self._settings = ControlPlaneSettings(
            folder=scratch.new_folder("api"),
            address="127.0.0.1",
            port=port,
            etcd_port=etcd_port,
            etcd_peer_port=etcd_peer_port,
            # A loopback address cannot be an endpoint of the service `kubernetes`.
            api_server_args=("--endpoint-reconciler-type=none", *self.api_server_args),
        )

    @property
    def kubeconfig(self) -> Path:
        """Admin's."""
        return self._settings.kubeconfig("admin", group="system:masters")

    @property
    def folder(self) -> Path:
        """Where logs (`log/`), keys and data are, as long as it runs."""
        return self._settings.folder

    def kubeconfig_of(self, user: str, group: str = "") -> Path:
        """The kubeconfig of any user, for tests of RBAC."""
        return self._settings.kubeconfig(user, group=group)

    def start(self) -> None:
        start_api_server(self._settings)
        if self.controllers:
            start_controller_manager(self._settings, "--bind-address=127.0.0.1", f"--secure-port={free_ports(1)[0]}")

    def stop(self) -> None:
        scratch.remove(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
