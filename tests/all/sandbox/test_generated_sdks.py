"""The examples in TypeScript and Go, with the types of the SDKs that are generated from components/schema.json.

No sandbox runs here: the generator is the one that the sandbox's engine has beside it.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import language_pb2

from sandbox.layout import CHECKOUT
from sandbox.parts import build
from sandbox.step_progress import StepProgress
from sandbox.toolchains import LOCAL, find_go, with_node
from sandbox.versions import SDK_GENERATOR

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(900)]

TYPES = Path(__file__).with_name("types.go")
# What the schema does not allow: tsc fails where an error that is expected here is missing.
WRONG = """
import * as irsa from "@pulumi/irsa";
import * as pulumi from "@pulumi/pulumi";

// @ts-expect-error an unknown argument
new irsa.ServiceAccountRole("unknown", { roleNme: "reader" });
// @ts-expect-error an unknown argument of the service account
new irsa.ServiceAccountRole("nested", { serviceAccount: { name: "reader", namespce: "reports" } });
// @ts-expect-error a string in place of an integer
new irsa.ServiceAccountRole("type", { role: { maxSessionDuration: "3600" } });
// @ts-expect-error an output in place of a value that decides which resources exist
new irsa.ServiceAccountRole("plain", { retainOnDelete: pulumi.output(true) });
"""

# Of @pulumi/eks, what the guide uses: https://www.pulumi.com/registry/packages/eks/api-docs/cluster/
EKS = """
declare module "@pulumi/eks" {
  import * as pulumi from "@pulumi/pulumi";
  class Cluster extends pulumi.ComponentResource {
    constructor(name: string, args: { createOidcProvider?: pulumi.Input<boolean> });
    readonly kubeconfigJson: pulumi.Output<string>;
    readonly oidcProviderArn: pulumi.Output<string>;
  }
}
"""


def run(folder: Path, *command: str, variables: Mapping[str, str], succeeds: bool = True) -> str:
    own = {**os.environ, **variables}
    answer = subprocess.run(
        command, cwd=folder, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    said = answer.stdout + answer.stderr
    assert (answer.returncode == 0) is succeeds, f"{' '.join(command)}:\n{said}"
    return said


def example(name: str, language: str, folder: Path) -> Path:
    """Copy an example and write its SDK into it, as `pulumi install` does by the `packages` of its Pulumi.yaml."""
    shutil.copytree(CHECKOUT / "examples" / name, folder / name, ignore=shutil.ignore_patterns("sdks", "node_modules"))
    sdk = folder / name / "sdks" / "irsa"
    sdk.mkdir(parents=True)
    schema: dict[str, Any] = json.loads((CHECKOUT / "components" / "schema.json").read_text())
    # The engine asks for the same two: go.mod, and a package that compiles itself.
    schema["meta"] = {**schema.get("meta", {}), "supportPack": True}
    request = language_pb2.GeneratePackageRequest(
        directory=str(sdk), schema=json.dumps(schema), loader_target="127.0.0.1:1", local=True
    )
    build([SDK_GENERATOR], StepProgress())
    answer = subprocess.run(
        [SDK_GENERATOR.program(os.environ), language],
        input=request.SerializeToString(),
        capture_output=True,
        check=True,
    )
    assert not language_pb2.GeneratePackageResponse.FromString(answer.stdout).diagnostics
    return folder / name


def test_typescript_compiles(tmp_path: Path) -> None:
    node = with_node(os.environ)
    project = example("typescript-stack", "nodejs", tmp_path)
    # The scripts of other packages are not asked for; ours compiles the SDK.
    run(project, "npm", "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", variables=node)
    run(project / "sdks" / "irsa", "npm", "run", "postinstall", variables=node)
    (of_ci,) = re.findall(r"pulumi install && (npx .*)", (CHECKOUT / "docs" / "guides" / "ci.md").read_text())
    run(project, *of_ci.split(), variables=node)
    guides = [(CHECKOUT / "docs" / "guides" / name).read_text() for name in ("own-program.md", "guard.md")]
    blocks = re.findall(r"^```typescript\n(.*?)^```$", "\n".join(guides), re.DOTALL | re.MULTILINE)
    assert [word for word in ("eks.Cluster", "irsa.IdentityGuard") if word not in "".join(blocks)] == []
    for name, text in {"guides.ts": "\n".join(blocks), "wrong.ts": WRONG, "eks.d.ts": EKS}.items():
        (project / name).write_text(text)
    files = {"extends": "./tsconfig.json", "files": ["index.ts", "guides.ts", "wrong.ts", "eks.d.ts"]}
    (project / "tsconfig.test.json").write_text(json.dumps(files))
    run(project, "npm", "exec", "--", "tsc", "--project", "tsconfig.test.json", variables=node)


def test_go_compiles(tmp_path: Path) -> None:
    project = example("go-stack", "go", tmp_path)
    # Built as the engine is: what is compiled for it is not compiled again.
    command = [find_go(project, os.environ, StepProgress()), "run", "-trimpath", str(TYPES)]
    variables = {**LOCAL, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    run(project, *command, variables=variables)
    main = project / "main.go"
    main.write_text(main.read_text().replace("OidcProviderArns:", "OidcProviderArn:"))
    said = run(project, *command, variables=variables, succeeds=False)
    assert "unknown field OidcProviderArn in struct literal of type irsa.ServiceAccountRoleArgs" in said
