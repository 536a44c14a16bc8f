"""Stand-ins for the official provider plugins, for where those cannot be downloaded."""
