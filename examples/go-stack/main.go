// A namespace, and a role for its service account that reads the bucket of another stack.
package main

import (
	"example.com/pulumi-irsa/sdk/go/irsa"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(deploy)
}

func deploy(ctx *pulumi.Context) error {
	settings := config.New(ctx, "")
	namespace, err := corev1.NewNamespace(ctx, "reports", nil)
	if err != nil {
		return err
	}
	other, err := pulumi.NewStackReference(ctx, settings.Require("bucketStack"), nil)
	if err != nil {
		return err
	}
	reader, err := irsa.NewServiceAccountRole(ctx, "report-reader", &irsa.ServiceAccountRoleArgs{
		ServiceAccount: &irsa.ServiceAccountArgs{
			Name:      pulumi.String("report-reader"),
			Namespace: namespace.Metadata.Name(),
		},
		OidcProviderArns: pulumi.ToStringArray([]string{settings.Require("oidcProviderArn")}),
		Policy: &irsa.PolicyArgs{
			Document: pulumi.Map{
				"Version": pulumi.String("2012-10-17"),
				"Statement": pulumi.Array{
					pulumi.Map{
						"Effect":   pulumi.String("Allow"),
						"Action":   pulumi.String("s3:GetObject"),
						"Resource": pulumi.Sprintf("%s/*", other.GetStringOutput(pulumi.String("bucketArn"))),
					},
				},
			},
		},
	})
	if err != nil {
		return err
	}
	ctx.Export("roleArn", reader.RoleArn)
	ctx.Export("serviceAccountName", reader.ServiceAccountName)
	return nil
}
