"""The command line: one line for an error, an exit code for a script, never a traceback."""

import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from carbon_nas import __version__
from carbon_nas.compare import compare
from carbon_nas.doctor import doctor
from carbon_nas.errors import CarbonNasError
from carbon_nas.importing import import_file
from carbon_nas.meter import SETTINGS, meter
from carbon_nas.profile import profile
from carbon_nas.report import report
from carbon_nas.verify import verify

__all__ = ["app", "main", "run_app", "run_command"]

EXIT_ERROR, EXIT_BUG, EXIT_STOPPED = 2, 70, 130


def _new_app() -> typer.Typer:
    return typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


app = _new_app()
app.command()(compare)
app.command(context_settings=SETTINGS)(meter)
app.command()(report)
app.command()(doctor)
app.command()(verify)
app.command()(profile)
app.command("import")(import_file)


@app.callback(invoke_without_command=True)
def carbon_nas(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Measure what neural architecture search costs in energy and CO2e."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise SystemExit(code)


def run_app(application: typer.Typer) -> NoReturn:
    """Run an application on the command line's arguments and exit.

    Exit codes: 0 done, 2 the call or its data is wrong, 70 a bug in this program, 130 stopped by the user.
    """
    try:
        code = typer.main.get_command(application).main(standalone_mode=False)
    except CarbonNasError as error:
        _fail(str(error), EXIT_ERROR)
    except KeyboardInterrupt:
        _fail("stopped", EXIT_STOPPED)
    except Exception as error:
        # Typer's own usage errors, which have moved between packages over its versions.
        words = getattr(error, "format_message", None)
        if words is not None:
            _fail(f"{words()} (see --help)", getattr(error, "exit_code", EXIT_ERROR))
        if type(error).__name__ == "Abort":
            _fail("stopped", EXIT_STOPPED)
        last = traceback.extract_tb(error.__traceback__)[-1]
        _fail(f"a bug in carbon_nas: {type(error).__name__}: {error} ({last.name}, line {last.lineno})", EXIT_BUG)
    raise SystemExit(code if isinstance(code, int) else 0)


def run_command(command: Callable[..., Any], settings: dict[str, Any] | None = None) -> NoReturn:
    """Run one command as a program of its own."""
    alone = _new_app()
    alone.info.no_args_is_help = False
    alone.command(context_settings=settings)(command)
    run_app(alone)


def main() -> NoReturn:
    """Run `carbon-nas`."""
    run_app(app)
