"""`python -m kafkatrigger.cli`: the same as `kafkatrigger`."""

from kafkatrigger.cli.main import main

main(prog_name="kafkatrigger")
