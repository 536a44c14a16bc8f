"""A guard in the cluster: Pods of declared service accounts that have no identity are refused, or warned about."""
