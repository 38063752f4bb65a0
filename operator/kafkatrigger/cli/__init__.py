"""The command line: `kafkatrigger`, which also starts the operator in its container."""
