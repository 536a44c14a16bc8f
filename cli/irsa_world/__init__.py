"""What is there of accounts, roles, clusters and service accounts: as a state declares it, and as it is live."""
