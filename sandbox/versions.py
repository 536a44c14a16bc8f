"""The programs of the sandbox: their versions, and how Go builds them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.layout import CHECKOUT, cache_folder, machine

MODULES = CHECKOUT / "sandbox" / "go"
MAJOR = re.compile(r"/v\d+$")
DIGEST = re.compile(r"-[0-9a-f]{12}$")
ENGINE, ETCD, KUBERNETES, YAML = "3.259.0", "3.7.0", "1.37.2", "1.25.0"
# An installed engine is used in place of a built one from the first of these versions on, and below the second.
ENGINES = ((3, 259), (4,))
LANGUAGE_HOST = "pulumi-language-python"

# What `go build` is told for a module. A part of the time goes into debugging information, which -s -w drops again.
# Without inlining (-l) a package takes a quarter less to build, and runs slower. The engine is measured against, so its
# own code and what it calls is built as it is released; the rest, the clouds' libraries for one, is idle with a state
# on this disk. The tag leaves out what only Google's storage uses: https://pkg.go.dev/cloud.google.com/go/storage
FLAGS = {
    "pulumi": (
        "-tags=disable_grpc_modules",
        f"-ldflags=-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{ENGINE}",
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
    """A program, and the Go package that it is built from; the sandbox's own folder has it if it is linked."""

    name: str
    version: str
    module: str
    package: str
    linked: bool = True

    def program(self, environment: Mapping[str, str]) -> Path:
        """Return where it is in the shared cache."""
        return cache_folder(environment) / f"{self.name}-{self.version}-{machine()}" / self.name

    @property
    def file_name(self) -> str:
        """Return what `go build` calls the program."""
        return Path(MAJOR.sub("", self.package)).name

    def __str__(self) -> str:
        return f"{self.name} {DIGEST.sub('', self.version)}"


def _own(version: str, source: str) -> str:
    """Return a version with a digest of the source: in the shared cache, two commits may have different programs."""
    return f"{version}-{hashlib.sha256((MODULES / source).read_bytes()).hexdigest()[:12]}"


CONTROLLERS = _own(KUBERNETES, "kubernetes/controllers/main.go")
GENERATOR = _own(ENGINE, "pulumi/sdk-generator/main.go")
# The newest that the Go module proxy serves: that of January 2026, before release 4.29.
PLUGIN = _own("4.0.0-20260115033456-f47bc2d6f199", "pulumi-kubernetes/plugin/main.go")

PULUMI = Part("pulumi", ENGINE, "pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi")
# An official language host generates SDKs itself.
SDK_GENERATOR = Part("pulumi-sdk-generator", GENERATOR, "pulumi", "./sdk-generator")
# etcd's version is the one in Kubernetes's own go.mod, so that both are built from the same packages.
OF_KUBERNETES = (
    Part("etcd", ETCD, "kubernetes", "go.etcd.io/etcd/server/v3"),
    Part("kube-apiserver", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    Part("kube-controller-manager", CONTROLLERS, "kubernetes", "./controllers"),
    Part("kubectl", KUBERNETES, "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
)
# What `make test-official` runs. The engine looks for a plugin elsewhere.
OFFICIAL_KUBERNETES = Part("pulumi-resource-kubernetes", PLUGIN, "pulumi-kubernetes", "./plugin", linked=False)
YAML_HOST = Part("pulumi-language-yaml", YAML, "pulumi-yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml")


def official_parts(environment: Mapping[str, str]) -> tuple[Part, ...]:
    """Return the official programs that are built and used with OFFICIAL=built, none without it."""
    return (OFFICIAL_KUBERNETES, YAML_HOST) if environment.get("OFFICIAL") == "built" else ()
