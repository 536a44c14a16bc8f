"""Providers for the AWS accounts that a stack file names."""

import functools
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from config.models import Account


class Accounts:
    """The stack's own AWS account, by the stack's default provider, and the named ones, each with its own."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        """Take `irsa:accounts`."""
        self._accounts = accounts

    @functools.cached_property
    def region(self) -> str:
        """Region of the stack."""
        return aws.get_region().region

    def settings(self, name: str | None) -> Account:
        """Give how an account is reached; the stack's own needs nothing."""
        return self._accounts[name] if name else Account()

    @functools.cache  # noqa: B019 (one object, as long as the program runs)
    def provider(self, name: str | None) -> aws.Provider | None:
        """Give the provider of an account; None is the stack's own default provider."""
        if name is None:
            return None
        account = self._accounts[name]
        roles = [aws.ProviderAssumeRoleArgs(role_arn=account.assume_role_arn)] if account.assume_role_arn else None
        # The stack's own profile is not inherited; a role is assumed with the same credentials as the stack's.
        profile = account.profile or pulumi.Config("aws").get("profile")
        return aws.Provider(name, region=account.region or self.region, profile=profile, assume_roles=roles)

    def invoke_options(self, name: str | None) -> pulumi.InvokeOptions | None:
        """Give the options for a look-up in that account."""
        provider = self.provider(name)
        return None if provider is None else pulumi.InvokeOptions(provider=provider)

    @functools.cache  # noqa: B019 (as above)
    def account_id(self, name: str | None) -> str:
        """Give the account's 12 digits."""
        return aws.get_caller_identity(opts=self.invoke_options(name)).account_id

    @functools.cache  # noqa: B019 (as above)
    def partition(self, name: str | None) -> str:
        """Give the account's partition."""
        return aws.get_partition(opts=self.invoke_options(name)).partition
