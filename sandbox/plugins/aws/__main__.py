"""`python -m sandbox.plugins.aws <engine address>`."""

from importlib.metadata import version

from sandbox.plugins.aws.aws_provider import AwsProvider
from sandbox.plugins.serving import serve

if __name__ == "__main__":
    number = version("pulumi-aws")
    serve(AwsProvider(number), number)
