"""The verb `inventory`: who may assume what, as clusters and AWS accounts are now."""
