"""`python -m sandbox.plugins.aws <engine address>`."""

from importlib.metadata import version

from sandbox.plugins.aws.aws_provider import AwsProvider
from sandbox.plugins.serving import serve

if __name__ == "__main__":
    serve(AwsProvider(), version("pulumi-aws"))
