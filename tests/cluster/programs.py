"""Builds the programs of the cluster from Go modules: nothing to download but source, on any machine with Go.

The versions of all dependencies follow from the version of the main module (Go selects minimal versions), so the
same recipe gives the same programs.
"""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .cache import Entry
from .settings import COREDNS, HELM, KIND, KUBERNETES, RECIPES, VERSITYGW
from .shell import output_of, run

_KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
_ADVICE = "Go 1.26 or newer must be installed (`go version`) and able to download modules; then try again"


@dataclass(frozen=True)
class GoProgram:
    """What to build: a module, its packages, and how they learn their version."""

    name: str
    module: str
    version: str
    packages: tuple[str, ...]
    ldflags: str = "-s -w"
    main: str = ""
    replaces_staging: bool = False

    @property
    def entry(self) -> Entry:
        return Entry(self.name, self.version, repr(self))

    def ensure(self) -> bool:
        return self.entry.ensure(self._build)

    def binary(self, program: str) -> Path:
        return self.entry.path / program

    def _build(self, folder: Path) -> None:
        source = folder / "src"
        source.mkdir()
        (source / "go.mod").write_text(self._go_mod())
        (source / "main.go").write_text(self.main or _imports(self.packages))
        # Folders above this one must not lend it their workspace or vendor folder.
        env = {"CGO_ENABLED": "0", "GOWORK": "off"}
        run(["go", "mod", "tidy"], cwd=source, env=env, advice=_ADVICE)
        built = self.packages if not self.main else (".",)
        run(
            [
                "go",
                "build",
                "-mod=mod",
                "-buildvcs=false",
                "-trimpath",
                "-ldflags",
                self.ldflags,
                "-o",
                f"{folder}/",
                *built,
            ],
            cwd=source,
            env=env,
            advice=_ADVICE,
        )
        shutil.rmtree(source)

    def _go_mod(self) -> str:
        lines = [f"module cluster/{self.name}", "go 1.24.0"]
        if self.module:
            lines.append(f"require {self.module} v{self.version}")
        if self.replaces_staging:
            lines += _staging_replacements(self.module, self.version)
        return "\n".join([*lines, ""])


def _imports(packages: Sequence[str]) -> str:
    """A file that makes `go mod tidy` see the commands; it is never compiled."""
    imports = "\n".join(f'import _ "{package}"' for package in packages)
    return f"//go:build tools\n\npackage tools\n\n{imports}\n"


def _staging_replacements(module: str, version: str) -> list[str]:
    """Kubernetes replaces its own libraries by folders of its repository; as a module it needs their releases."""
    answer = json.loads(output_of(["go", "mod", "download", "-json", f"{module}@v{version}"]))
    libraries = re.findall(r"^\s+(k8s\.io/[a-z-]+) => \./staging", Path(answer["GoMod"]).read_text(), re.MULTILINE)
    release = f"v0.{version.split('.', 1)[1]}"
    return [f"replace {library} => {library} {release}" for library in sorted(set(libraries))]


def _kubernetes_ldflags() -> str:
    base, client = "k8s.io/component-base/version", "k8s.io/client-go/pkg/version"
    major, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X {package}.{k}={v}" for package in (base, client) for k, v in values.items())])


KUBERNETES_PROGRAMS = GoProgram(
    name="kubernetes",
    module="k8s.io/kubernetes",
    version=KUBERNETES,
    packages=tuple(f"k8s.io/kubernetes/cmd/{program}" for program in _KUBERNETES_PROGRAMS),
    ldflags=_kubernetes_ldflags(),
    replaces_staging=True,
)
HELM_PROGRAM = GoProgram(
    name="helm",
    module="helm.sh/helm/v3",
    version=HELM,
    packages=("helm.sh/helm/v3/cmd/helm",),
    ldflags=f"-s -w -X helm.sh/helm/v3/internal/version.version=v{HELM}",
)
COREDNS_PROGRAM = GoProgram(
    name="coredns",
    module="github.com/coredns/coredns",
    version=COREDNS,
    packages=(),
    main=(RECIPES / "coredns.go").read_text(),
)
KIND_PROGRAM = GoProgram(name="kind", module="sigs.k8s.io/kind", version=KIND, packages=("sigs.k8s.io/kind",))
PAUSE_PROGRAM = GoProgram(name="pause", module="", version="1", packages=(), main=(RECIPES / "pause.go").read_text())
VERSITYGW_PROGRAM = GoProgram(
    name="versitygw",
    module="github.com/versity/versitygw",
    version=VERSITYGW,
    packages=("github.com/versity/versitygw/cmd/versitygw",),
)
"""An object store that speaks S3, for tests of adapters."""
