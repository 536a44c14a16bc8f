"""The commands of AWS's page for each service account, beside this program: python -m bench.commands [how many].

https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
"""

import argparse
import shutil
import sys
from functools import partial
from pathlib import Path

from bench.bindings import numbered
from bench.harness import compared, report, say, seconds
from bench.results import Figure
from bench.stacks import UP, FailedError, irsa_stack, measured_cloud, versions_of
from sandbox.plugins_install import write_launcher
from tests.sandbox.conftest import Cloud
from tests.sandbox.project import ROOT, STACK

TITLE = "The commands of AWS's page"
DESCRIPTION = """\
For each service account, the commands of AWS's page one after the other in a shell: five of `aws` and two of `kubectl`
create it, four and one confirm it. Beside them are `pulumi up` and `irsa verify` of as many bindings. {aws}"""
INSTALLED = "`aws` is the AWS CLI of this machine."
IN_ITS_PLACE = "No AWS CLI is installed on this machine: bench/aws_command.py stands for `aws`, and starts sooner."
SERVICE_ACCOUNTS = 20

CREATE = r"""set -eu
aws iam create-policy --policy-name $name --policy-document file://my-policy.json
cat >my-service-account.yaml <<EOF
apiVersion: v1
kind: ServiceAccount
metadata:
  name: $name
  namespace: default
EOF
kubectl apply -f my-service-account.yaml
account_id=$(aws sts get-caller-identity --query "Account" --output text)
oidc_provider=$(aws eks describe-cluster --name my-cluster --region $AWS_REGION \
    --query "cluster.identity.oidc.issuer" --output text | sed -e "s/^https:\/\///")
export namespace=default
export service_account=$name
cat >trust-relationship.json <<EOF
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::$account_id:oidc-provider/$oidc_provider"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "$oidc_provider:aud": "sts.amazonaws.com",
          "$oidc_provider:sub": "system:serviceaccount:$namespace:$service_account"
        }
      }
    }
  ]
}
EOF
aws iam create-role --role-name $name --assume-role-policy-document file://trust-relationship.json \
    --description "my-role-description"
aws iam attach-role-policy --role-name $name --policy-arn=arn:aws:iam::$account_id:policy/$name
kubectl annotate serviceaccount -n $namespace $service_account \
    eks.amazonaws.com/role-arn=arn:aws:iam::$account_id:role/$name
"""
CONFIRM = r"""set -eu
aws iam get-role --role-name $name --query Role.AssumeRolePolicyDocument
aws iam list-attached-role-policies --role-name $name --query AttachedPolicies[].PolicyArn --output text
export policy_arn=arn:aws:iam::111122223333:policy/$name
aws iam get-policy --policy-arn $policy_arn
aws iam get-policy-version --policy-arn $policy_arn --version-id v1
kubectl describe serviceaccount $name -n default
"""


def in_shell(cloud: Cloud, script: str, folder: Path, name: str) -> None:
    answer = cloud.run("sh", "-c", script, folder=folder, name=name)
    if answer.returncode:
        raise FailedError(answer.stdout + answer.stderr)


def measure(cloud: Cloud, folder: Path, service_accounts: int) -> list[Figure]:
    by_hand = folder / "by-hand"
    by_hand.mkdir()
    shutil.copy(ROOT / "policies" / "my-policy.json", by_hand)
    create, confirm = [], []
    for number in range(service_accounts):
        create.append(seconds(partial(in_shell, cloud, CREATE, by_hand, f"by-hand-{number}")))
        confirm.append(seconds(partial(in_shell, cloud, CONFIRM, by_hand, f"by-hand-{number}")))
        say(f"  service account {number + 1} of {service_accounts}: {create[-1]:.1f} s, {confirm[-1]:.1f} s")
    stack = irsa_stack(cloud, folder / "irsa", numbered(service_accounts, "irsa"))
    up = stack.run(*UP).seconds
    verified = seconds(partial(verify, cloud, stack.folder, dict(stack.variables)))
    return [
        compared(f"create {service_accounts} service accounts, to AWS's commands", [up], [sum(create)], "s"),
        compared(f"confirm {service_accounts} service accounts, to AWS's commands", [verified], [sum(confirm)], "s"),
        Figure("AWS's commands that create one", "s", tuple(create)),
        Figure("AWS's commands that confirm one", "s", tuple(confirm)),
    ]


def verify(cloud: Cloud, folder: Path, variables: dict[str, str]) -> None:
    irsa = str(Path(sys.executable).with_name("irsa"))
    answer = cloud.run(irsa, "verify", "--stack", STACK, folder=folder, timeout=600, **variables)
    if answer.returncode:
        raise FailedError(answer.stdout + answer.stderr)


def main(service_accounts: int = SERVICE_ACCOUNTS) -> int:
    with measured_cloud() as (cloud, folder):
        installed = shutil.which("aws")
        if not installed:
            write_launcher(cloud.sandbox.programs / "aws", ROOT / "bench" / "aws_command.py")
        description = DESCRIPTION.format(aws=INSTALLED if installed else IN_ITS_PLACE)
        report("commands", TITLE, description, lambda: measure(cloud, folder, service_accounts), versions_of(cloud))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service_accounts", type=int, nargs="?", default=SERVICE_ACCOUNTS)
    sys.exit(main(parser.parse_args().service_accounts))
