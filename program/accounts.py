"""Providers for the AWS accounts and regions that a stack file names."""

import functools
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from config.models import Account


class Accounts:
    """The stack's own AWS account and the named ones, each with one provider per region."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """Take `irsa:accounts`."""
        self._accounts = accounts

    @functools.cached_property
    def region(self) -> str:
        """Region of the stack."""
        return aws.get_region().region

    def provider(self, name: str | None, region: str | None = None) -> aws.Provider | None:
        """Give the provider of an account and region; None is the stack's own default provider."""
        region = region or (self._accounts[name].region if name else None) or self.region
        return None if name is None and region == self.region else self._provider(name, region)

    @functools.cache  # noqa: B019 (one object, as long as the program runs)
    def _provider(self, name: str | None, region: str) -> aws.Provider:
        account = self._accounts[name] if name else Account()
        roles = [aws.ProviderAssumeRoleArgs(role_arn=account.assume_role_arn)] if account.assume_role_arn else None
        label = "-".join(part for part in (name, None if region == self.region else region) if part)
        return aws.Provider(label, region=region, profile=account.profile, assume_roles=roles)

    def invoke_options(self, name: str | None, region: str | None = None) -> pulumi.InvokeOptions | None:
        """Give the options for a look-up in that account and region."""
        provider = self.provider(name, region)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)

    @functools.cache  # noqa: B019 (as above)
    def account_id(self, name: str | None) -> str:
        """Give the account's 12 digits."""
        return aws.get_caller_identity(opts=self.invoke_options(name)).account_id

    @functools.cache  # noqa: B019 (as above)
    def partition(self, name: str | None) -> str:
        """Give the account's partition."""
        return aws.get_partition(opts=self.invoke_options(name)).partition
