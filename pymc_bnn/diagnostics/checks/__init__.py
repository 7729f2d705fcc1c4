"""What is looked at in a fit to say whether it may be relied on: a file per check."""
