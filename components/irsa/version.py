"""The version of the repository: its three distributions and the plugin have this one."""

VERSION = "0.1.0"
