"""A namespace, a bucket, a role that reads the bucket, and a Deployment whose Pods have that role."""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa import ServiceAccountRole

namespace = kubernetes.core.v1.Namespace("reports")
bucket = aws.s3.Bucket("reports")
reader = ServiceAccountRole(
    "report-reader",
    {
        "service_account": {"name": "report-reader", "namespace": namespace.metadata.name},
        "oidc_provider_arns": [pulumi.Config().require("oidcProviderArn")],
        "policy": {
            "document": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "s3:GetObject",
                        "Resource": pulumi.Output.concat(bucket.arn, "/*"),
                    }
                ],
            }
        },
    },
)
labels = {"app": "report-reader"}
kubernetes.apps.v1.Deployment(
    "report-reader",
    metadata={
        "namespace": namespace.metadata.name,
        # The sandbox has no nodes. On a real cluster, remove this: then `pulumi up` waits for the Pods.
        "annotations": {"pulumi.com/skipAwait": "true"},
    },
    spec={
        "selector": {"match_labels": labels},
        "template": {
            # Pods get their role when they are created; with this annotation, a new role restarts them.
            "metadata": {"labels": labels, "annotations": {"example.com/role-arn": reader.role_arn}},
            "spec": {
                "service_account_name": reader.service_account_name,
                "containers": [
                    {
                        "name": "app",
                        "image": "amazon/aws-cli",
                        # Its log has the role's session. A container that ends is restarted, and `pulumi up` fails.
                        "command": ["sh", "-c", "aws sts get-caller-identity && sleep infinity"],
                        "env": [{"name": "BUCKET", "value": bucket.bucket}],
                    }
                ],
            },
        },
    },
    # The Pods wait for the service account, which waits for its permissions.
    opts=pulumi.ResourceOptions(depends_on=[reader]),
)

pulumi.export("roleArn", reader.role_arn)
pulumi.export("bucketArn", bucket.arn)
pulumi.export("namespace", namespace.metadata.name)
