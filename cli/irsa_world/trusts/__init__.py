"""What trust policies say: to the tokens of one OIDC provider, to all service accounts of a cluster, and compared."""
