// A namespace, a bucket, and a role for the namespace's service account that reads the bucket.
import * as aws from "@pulumi/aws";
import * as irsa from "@pulumi/irsa";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

const namespace = new kubernetes.core.v1.Namespace("reports");
const bucket = new aws.s3.Bucket("reports");
const reader = new irsa.ServiceAccountRole("report-reader", {
  serviceAccount: { name: "report-reader", namespace: namespace.metadata.name },
  oidcProviderArns: [new pulumi.Config().require("oidcProviderArn")],
  policy: {
    document: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "s3:GetObject", Resource: pulumi.interpolate`${bucket.arn}/*` }],
    },
  },
});

export const roleArn = reader.roleArn;
export const serviceAccountName = reader.serviceAccountName;
