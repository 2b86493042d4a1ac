"""``geoseg completion``: what a shell reads so that the tab key completes verbs, options and choices."""

from __future__ import annotations

import click

from geoseg.cli import options

VARIABLE = "_GEOSEG_COMPLETE"


@click.command(epilog=options.example("geoseg completion bash > geoseg.bash"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    bash: save it and read it from ~/.bashrc. zsh: save it as _geoseg in a folder of $fpath. fish: save it as
    ~/.config/fish/completions/geoseg.fish.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    root = click.get_current_context().find_root().command
    assert kind is not None
    text = kind(root, {}, "geoseg", VARIABLE)
    click.echo(text.source_template % text.source_vars())
