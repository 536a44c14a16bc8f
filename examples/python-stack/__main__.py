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
        # Where Pods run, leave this out: then `pulumi up` waits for them. The sandbox has no nodes.
        "annotations": {"pulumi.com/skipAwait": "true"},
    },
    spec={
        "selector": {"match_labels": labels},
        "template": {
            # A new role restarts the Pods: the webhook gives a Pod its role when the Pod is created.
            "metadata": {"labels": labels, "annotations": {"example.com/role-arn": reader.role_arn}},
            "spec": {
                "service_account_name": reader.service_account_name,
                "containers": [
                    {"name": "app", "image": "amazon/aws-cli", "env": [{"name": "BUCKET", "value": bucket.bucket}]}
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
