"""Write docs/guides/scale.md: the engine's settings, with what each gave in the last run of bench.engine."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.engine import AGAIN, SETTINGS, Setting, again_name, size_name, up_name
from bench.harness import written
from bench.results import Figure, Result, read

GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "scale.md"
HEAD = """# Hundreds of bindings

```console
$ export PULUMI_DIY_BACKEND_ZSTD=true     # the state is compressed; everybody who works with the stack sets it
$ pulumi up --stack prod --parallel 32
```

irsa asks AWS once per AWS account and cluster, not once per binding. What grows faster than the number of bindings is
the engine's part. With a state in a folder or in a bucket (S3 and others), the engine writes the whole state before and
after each step that changes something: twice the resources are twice the steps, and each of them writes twice as much.
A `pulumi up` that finds nothing to change writes it once. Pulumi Cloud is sent the steps alone
([journaling](https://www.pulumi.com/blog/journaling/)): of this page, only `--parallel` and the split into stacks are
about it.

## Choose

"""
TAIL = """
`env.go` is `sdk/go/common/env/env.go` of pulumi 3.259.0, where the engine documents its variables; the other files are
below `pkg/` of the same version. All figures: [docs/performance.md](../performance.md).

`make up` sets `PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS`: the sandbox needs no earlier states, and each `make up`
would add one more.

## Without checkpoints

`PULUMI_SKIP_CHECKPOINTS=true` writes the state once, at the end. It is for the first deployment of a large stack, with
somebody in front of it. If the engine is killed before the end (the machine stops, CI cancels the job), or cannot write
the state at the end (the credentials have expired, the disk is full), the resources exist in AWS and Kubernetes, and
the state has none of them. Then

1. `pulumi cancel`, then `irsa check --live Pulumi.prod.yaml`: it names what exists of these;
2. add `import:` to these bindings, with what is named of each, such as `import: [role, policy]`, and run `pulumi up`:
   it adopts them ([docs/stack-file.md](../stack-file.md));
3. take the `import` lines out, and run `pulumi up` without the variable: 0 changes.

So give every role and policy a name (`role.name`, `policy.name`) before. One with an automatic name cannot be found by
the stack file: it stays until somebody deletes it (`aws iam list-roles` has their dates). `import` takes no OIDC
provider and no namespace either: set `createOidcProvider: true`, and `retainNamespaces: false`, in a first `pulumi up`
without the variable.

## A stack for each team

One stack file for each team, `Pulumi.team-a.yaml` and `Pulumi.team-b.yaml`, each with the cluster and the team's own
bindings. A team's `pulumi up` then takes as long as its own bindings, and an error stops one team.

A binding that moves to another stack's file is deleted by the first stack's `pulumi up`, and its Pods lose access. So
set `retainOnDelete: true` on it and run `pulumi up`; then move it to the other file, with `import:`
([docs/stack-file.md](../stack-file.md)), and run `pulumi up` in the first stack and in the other.

- Only one of them may set `createOidcProvider: true` for a cluster: an AWS account has one provider for each issuer.
- Only one of them may set `createNamespace: true` for a namespace with `retainNamespaces: false`: what it deletes is
  gone for the others.
- A role name, a policy name or a service account belongs to one of them. `irsa check` sees one file;
  `irsa check --live` reports what another stack has created.
"""
NOISE = "Differences up to 5% are noise."
NOT_MEASURED = "not measured yet: `make bench-real`"


def guide(results: Sequence[Result]) -> str:
    """Return the page."""
    figures = {figure.name: figure for result in results for figure in result.figures}
    return HEAD + "\n".join(_table(figures)) + "\n" + TAIL


def _table(figures: Mapping[str, Figure]) -> Iterator[str]:
    counts = sorted(
        {int(name.split()[2]) for name in figures if name.startswith("up of ") and name.split()[2].isdigit()}
    )
    yield "| setting | what it gives | what it risks | source |\n|---|---|---|---|"
    for setting in SETTINGS:
        if setting.risk:
            gives = "; ".join(_gives(setting, figures, count) for count in counts) or NOT_MEASURED
            yield f"| `{setting.name}` | {gives} | {setting.risk} | {setting.source} |"
    for count in counts:
        noise = ", ".join(f"{written(figures[name(count, AGAIN)].median)} times" for name in (up_name, again_name))
        yield f"\nThe defaults, measured once more at the end with {count:,} bindings: {noise}. {NOISE}"


def _gives(setting: Setting, figures: Mapping[str, Figure], count: int) -> str:
    up, again, size = (figures[name(count, setting.name)] for name in (up_name, again_name, size_name))
    times = f"`up` {written(up.median)} times, second `up` {written(again.median)} times the default's"
    return f"{count:,} bindings: {times}; state {written(size.median)} MB"


def main() -> int:
    GUIDE.write_text(guide(read(("engine",))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
