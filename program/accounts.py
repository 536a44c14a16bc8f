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

    @functools.cache  # noqa: B019 (one object, as long as the program runs)
    def provider(self, name: str | None, region: str | None = None) -> aws.Provider | None:
        """Give the provider of an account and region; None is the stack's own default provider."""
        if name is None and region in (None, self.region):
            return None
        account = self._accounts[name] if name else Account()
        region = region or account.region or self.region
        label = "-".join(part for part in (name, region if region != self.region else None) if part)
        return aws.Provider(
            label,
            region=region,
            profile=account.profile,
            assume_roles=[aws.ProviderAssumeRoleArgs(role_arn=account.assume_role_arn)]
            if account.assume_role_arn
            else None,
        )

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
