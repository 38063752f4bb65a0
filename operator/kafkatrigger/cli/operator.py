"""`kafkatrigger operator`: what the operator's image runs."""

from pathlib import Path

import click

from kafkatrigger.controller.main import main
from kafkatrigger.controller.settings import SETTINGS_PATH, SettingsError, load


@click.command()
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    default=SETTINGS_PATH,
    show_default=True,
    help="The operator's settings, a YAML file; the chart mounts it.",
)
def operator(settings: Path) -> None:
    """Run the operator, as the account of the pod or of the kubeconfig."""
    try:
        loaded = load(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    main(loaded)
