"""`kafkatrigger COMMAND`. Commands are imported when they are called: each needs libraries that the others do not."""

import importlib

import click

_COMMANDS = {
    "blocked": "kafkatrigger.cli.blocked:blocked",
    "describe": "kafkatrigger.cli.describe:describe",
    "dlq": "kafkatrigger.cli.dlq:dlq",
    "import": "kafkatrigger.cli.transformations:import_files",
    "operator": "kafkatrigger.cli.operator:operator",
    "plot": "kafkatrigger.cli.plot:plot",
    "replay": "kafkatrigger.cli.replay:replay",
    "resume": "kafkatrigger.cli.blocked:resume",
    "run": "kafkatrigger.cli.run:run",
    "test": "kafkatrigger.cli.transformations:test",
    "top": "kafkatrigger.cli.top:top",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kafkatrigger")
def main() -> None:
    """Run a transformation for every message on a Kafka topic."""
