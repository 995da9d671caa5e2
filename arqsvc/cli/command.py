"""What every command is made of: the options that many have, and how its coroutine is run."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)
STATE_DIR = click.option("--state-dir", type=_FOLDER, help="Folder of all that lasts.")
STATE = click.option(
    "--state-dir", "--state", "state_dir", type=_FOLDER, help="Folder of all that lasts; --state is its old name."
)
LOG_LEVEL = click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    help="Least severe level that is logged.",
)
LOG_FILE = click.option(
    "--log-file", type=click.Path(path_type=Path, dir_okay=False), help="File that log lines are appended to."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
LISTED_BY = {"jobs": "jobs list", "workers": "workers list", "kinds": "inspect registered"}
"""Commands in place of the requests that the API's errors name."""


def run(main: Callable[..., Coroutine[Any, Any, int]], /, *args: Any, **given: Any) -> None:
    """Run a command's coroutine with the settings, and end the process with the exit code that it returns.

    `given` are settings from the command line. What a person must mend is one line on standard error and exit 2.
    """
    from arqsvc.errors import ArqsvcError, CannotStart
    from arqsvc.settings import Settings

    try:
        settings = Settings.read(os.environ, **given)
        code = _loop(main(settings, *args))
    except KeyboardInterrupt:
        code = 130
    except asyncio.CancelledError:
        code = 143  # SIGTERM, where the command itself does not wait for it
    except CannotStart as error:
        click.echo(f"arqsvc: {error.detail}", err=True)
        code = 2
    except ArqsvcError as error:
        detail = re.sub(r"GET /api/v1/(\w+) (?=lists )", _listed_by, error.detail)
        click.echo(f"arqsvc: {detail}", err=True)
        code = 1
    sys.exit(code)


def _listed_by(request: re.Match[str]) -> str:
    return f"`arqsvc {LISTED_BY[request[1]]}` " if request[1] in LISTED_BY else request[0]


def _loop(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
