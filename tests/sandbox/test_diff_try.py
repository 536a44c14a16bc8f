import json
from pathlib import Path
import pytest
from tests.sandbox.irsa_command import irsa
pytestmark = pytest.mark.sandbox
DOC = {"Version": "2012-10-17", "Statement": [{"Sid":"Read","Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::bucket/*"}]}
DOC2 = {"Version": "2012-10-17", "Statement": [{"Sid":"Read","Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::other/*"}, {"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}]}
OUT = Path("/work/helpers/diff-samples")

def test_try(cloud, deploy):
    cloud.kubectl("create", "namespace", "team-a")
    for n in ("builder", "worker"):
        cloud.kubectl("create", "serviceaccount", n, "-n", "team-a")
    before = {
        "app": {"serviceAccount": {"name": "app"}, "role": {"name": "app-role"}, "policy": {"name": "app-policy", "document": DOC}, "trust": {"subjects": ["team-a:worker"]}},
        "auto": {"serviceAccount": {"name": "auto"}, "policy": {"document": DOC}},
        "gone": {"serviceAccount": {"name": "gone"}, "role": {"name": "gone-role"}, "policyArns": []},
        "same": {"serviceAccount": {"name": "same"}, "role": {"name": "same-role"}, "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]},
        "adopts": {"serviceAccount": {"name": "builder", "namespace": "team-a", "create": False}, "role": {"name": "adopts-role"}, "policyArns": []},
    }
    after = {
        "app": {"serviceAccount": {"name": "app"}, "role": {"name": "app-role", "description": "new"}, "policy": {"name": "app-policy", "document": DOC2}, "trust": {"subjects": ["team-a:*"]}},
        "auto": {"serviceAccount": {"name": "auto", "namespace": "team-a"}, "policy": {"document": DOC}},
        "new": {"serviceAccount": {"name": "new"}, "role": {"name": "new-role"}, "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]},
        "newauto": {"serviceAccount": {"name": "worker", "namespace": "team-a", "create": False}, "policy": {"document": DOC}},
        "same": {"serviceAccount": {"name": "same"}, "role": {"name": "same-role"}, "policyArns": ["arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"]},
    }
    project = deploy({"bindings": before})
    (OUT / "first.json").write_text(project.run("preview", "--json").stdout)
    (OUT / "first.txt").write_text(irsa(project, "diff", "--stack", "test").stdout)
    project.up()
    project.set({"bindings": after})
    (OUT / "change.json").write_text(project.run("preview", "--json").stdout)
    (OUT / "state.json").write_text(project.run("stack", "export").stdout)
    a = irsa(project, "diff", "--stack", "test")
    (OUT / "change.txt").write_text(a.stdout + a.stderr)
    a = irsa(project, "diff", "--stack", "test", "--markdown", "-")
    (OUT / "change.md").write_text(a.stdout + a.stderr)
    a = irsa(project, "diff", "--stack", "test", "--json")
    (OUT / "diff.json").write_text(a.stdout + a.stderr)
    project.set({"bindings": {"app": {"serviceAccount": {"name": "APP"}}}})
    r = project.run("preview", "--json")
    (OUT / "fails.json").write_text(r.stdout)
    (OUT / "fails.err").write_text(r.stderr)
    a = irsa(project, "diff", "--stack", "test")
    (OUT / "fails.txt").write_text(f"{a.returncode}\n" + a.stdout + a.stderr)
    project.set({"bindings": before})
