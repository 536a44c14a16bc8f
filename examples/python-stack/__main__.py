"""A bucket, a role that reads it, and a Deployment whose Pods have that role."""

import json

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from irsa import ServiceAccountRole

bucket = aws.s3.Bucket("reports")
reader = ServiceAccountRole(
    "report-reader",
    {
        "service_account": {"name": "report-reader", "namespace": "default"},
        "oidc_provider_arns": [pulumi.Config().require("oidcProviderArn")],
        "policy": {
            # The bucket's ARN is known only when the bucket is there.
            "document": bucket.arn.apply(
                lambda arn: json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"}],
                    }
                )
            )
        },
    },
)
labels = {"app": "report-reader"}
kubernetes.apps.v1.Deployment(
    "report-reader",
    # Where Pods run, leave this out: then `pulumi up` waits for them. The sandbox has no nodes.
    metadata={"annotations": {"pulumi.com/skipAwait": "true"}},
    spec={
        "selector": {"match_labels": labels},
        "template": {
            # A new role restarts the Pods: the webhook gives a Pod its role when the Pod is created.
            "metadata": {"labels": labels, "annotations": {"example.com/role-arn": reader.role_arn}},
            "spec": {
                # An output of the component: the Pods wait for the account, which waits for its permissions.
                "service_account_name": reader.service_account_name.apply(str),
                "containers": [
                    {"name": "app", "image": "amazon/aws-cli", "env": [{"name": "BUCKET", "value": bucket.bucket}]}
                ],
            },
        },
    },
    opts=pulumi.ResourceOptions(depends_on=[reader]),
)

pulumi.export("roleArn", reader.role_arn)
pulumi.export("bucketArn", bucket.arn)
