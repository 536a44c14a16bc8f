"""A platform team's stack: it owns the cluster's OIDC provider and exports its issuer and ARN to other stacks.

If the cluster is a resource of the same stack, use its outputs instead of the setting: with pulumi-eks,
`cluster.oidc_provider_url` and `cluster.oidc_provider_arn`.
"""

import pulumi
import pulumi_aws as aws

issuer = pulumi.Config().require("issuer")
provider = aws.iam.OpenIdConnectProvider("cluster", url=issuer, client_id_lists=["sts.amazonaws.com"])

pulumi.export("oidcIssuer", issuer)
pulumi.export("oidcProviderArn", provider.arn)
