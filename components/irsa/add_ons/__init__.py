"""The policies of well-known add-ons: a data file for each (NAME.yaml), and how a document is made of one. Pure."""
