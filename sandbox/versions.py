"""The programs of the sandbox: their versions, which installed ones do as well, and how Go builds them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import CHECKOUT, cache_folder, machine

MODULES = CHECKOUT / "sandbox" / "go"
MAJOR = re.compile(r"/v\d+$")
DIGEST = re.compile(r"-[0-9a-f]{12}$")
PULUMI, ETCD, KUBERNETES, YAML = "3.259.0", "3.7.0", "1.37.2", "1.25.0"

# What `go build` is told for a module. A part of the time goes into debugging information, which -s -w drops again.
# Without inlining (-l) a package takes a quarter less to build, and runs slower. The engine is measured against, so its
# own code and what it calls is built as it is released; the rest, the clouds' libraries for one, is idle with a state
# on this disk. The tag leaves out what only Google's storage uses: https://pkg.go.dev/cloud.google.com/go/storage
FLAGS = {
    "pulumi": (
        "-tags=disable_grpc_modules",
        f"-ldflags=-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI}",
        "-gcflags=all=-l -dwarf=false",
        *(
            f"-gcflags={called}=-dwarf=false"
            for called in (
                "std",
                "github.com/pulumi/...",
                "golang.org/x/...",
                "google.golang.org/grpc/...",
                "google.golang.org/protobuf/...",
            )
        ),
    ),
    "kubernetes": (
        "-ldflags=-s -w "
        + " ".join(
            f"-X k8s.io/component-base/version.git{key}={value}"
            for key, value in {"Version": f"v{KUBERNETES}", "Major": "1", "Minor": "37"}.items()
        ),
        "-gcflags=all=-l -dwarf=false",
        # The same as in the engine: it is compiled once.
        "-gcflags=std=-dwarf=false",
    ),
    "pulumi-kubernetes": ("-ldflags=-s -w", "-gcflags=all=-l -dwarf=false", "-gcflags=std=-dwarf=false"),
    "pulumi-yaml": (
        f"-ldflags=-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version=v{YAML}",
        "-gcflags=all=-l -dwarf=false",
        "-gcflags=std=-dwarf=false",
    ),
}


@dataclass(frozen=True)
class Part:
    """A program, the Go package that it is built from, and which installed versions are used instead."""

    name: str
    version: str
    module: str
    package: str
    version_command: tuple[str, ...] = ()
    fits_from: tuple[int, int] = (0, 0)
    fits_below: tuple[int, int] = (0, 0)
    beside: str = ""

    def fits(self, version: tuple[int, int, int]) -> bool:
        return self.fits_from <= version[:2] < self.fits_below

    def folder(self, environment: Mapping[str, str]) -> Path:
        """Return the part's folder in the shared cache."""
        return cache_folder(environment) / f"{self.name}-{self.version}-{machine()}"

    def program(self, environment: Mapping[str, str]) -> Path:
        return self.folder(environment) / self.name

    @property
    def file_name(self) -> str:
        """Return what `go build` calls the program."""
        return Path(MAJOR.sub("", self.package)).name

    def __str__(self) -> str:
        return f"{self.name} {DIGEST.sub('', self.version)}"


def _digest(source: str) -> str:
    """Return what tells, in the shared cache, a program of our own from the same one of another commit."""
    return hashlib.sha256((MODULES / source).read_bytes()).hexdigest()[:12]


# Which versions may stand together: https://kubernetes.io/releases/version-skew-policy/ (controllers are never newer
# than the API server and at most one minor older; kubectl is within one minor of it). etcd's is the one in Kubernetes's
# own go.mod, so that both are built from the same packages.
PARTS = (
    Part(
        name="pulumi",
        version=PULUMI,
        module="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        version_command=("version",),
        fits_from=(3, 259),
        fits_below=(4, 0),
        beside="pulumi-language-python",
    ),
    Part(
        name="etcd",
        version=ETCD,
        module="kubernetes",
        package="go.etcd.io/etcd/server/v3",
        version_command=("--version",),
        fits_from=(3, 6),
        fits_below=(4, 0),
    ),
    Part(
        name="kube-apiserver",
        version=KUBERNETES,
        module="kubernetes",
        package="k8s.io/kubernetes/cmd/kube-apiserver",
        version_command=("--version",),
        fits_from=(1, 37),
        fits_below=(1, 39),
    ),
    Part(
        name="kube-controller-manager",
        version=f"{KUBERNETES}-{_digest('kubernetes/controllers/main.go')}",
        module="kubernetes",
        package="./controllers",
        version_command=("--version",),
        fits_from=(1, 37),
        fits_below=(1, 38),
    ),
    Part(
        name="kubectl",
        version=KUBERNETES,
        module="kubernetes",
        package="k8s.io/kubernetes/cmd/kubectl",
        version_command=("version", "--client"),
        fits_from=(1, 36),
        fits_below=(1, 39),
    ),
)

# An official language host generates SDKs itself.
SDK_GENERATOR = Part(
    name="pulumi-sdk-generator",
    version=f"{PULUMI}-{_digest('pulumi/sdk-generator/main.go')}",
    module="pulumi",
    package="./sdk-generator",
)

# What `make test-official` runs. The Kubernetes plugin is the newest that the Go module proxy serves: that of
# January 2026, before release 4.29.
OFFICIAL_KUBERNETES = Part(
    name="pulumi-resource-kubernetes",
    version=f"4.0.0-20260115033456-f47bc2d6f199-{_digest('pulumi-kubernetes/plugin/main.go')}",
    module="pulumi-kubernetes",
    package="./plugin",
)
YAML_HOST = Part(
    name="pulumi-language-yaml",
    version=YAML,
    module="pulumi-yaml",
    package="github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
)
OFFICIAL = (OFFICIAL_KUBERNETES, YAML_HOST)


def official_parts(environment: Mapping[str, str]) -> tuple[Part, ...]:
    """Return the official programs that are built and used with OFFICIAL=built, none without it."""
    return OFFICIAL if environment.get("OFFICIAL") == "built" else ()
