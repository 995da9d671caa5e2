"""`arqsvc inspect`, `workers`, `top`, `completion`: what an operator asks for."""

from typing import Any

import click
from click.shell_completion import get_completion_class

from arqsvc.cli.command import JSON, STATE, run

PROGRAM = "arqsvc"
LOOKS = {
    "active": "Jobs that run, and on which worker.",
    "reserved": "Jobs that are next in their queues, the first one first.",
    "scheduled": "Jobs that are to begin later, the soonest first.",
    "registered": "Kinds of jobs that can be submitted.",
    "stats": "The live workers: where they are, what they serve, what they run.",
    "queues": "The queues: mode, depth, age of the oldest job, rates, workers.",
}


@click.group()
def inspect() -> None:
    """What a running service is at: ARQSVC_URL and ARQSVC_API_KEY, or the instance that holds the state folder."""


def _look(name: str, said: str) -> None:
    @inspect.command(name, help=said)
    @click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Most lines.")
    @JSON
    @STATE
    def command(limit: int, as_json: bool, **given: Any) -> None:
        from arqsvc.cli.inspect import look as main

        run(main, name, limit, as_json, **given)


for _name, _said in LOOKS.items():
    _look(_name, _said)


@click.group()
def workers() -> None:
    """Workers of a running service; their names are those that `list` shows."""


@workers.command("list")
@JSON
@STATE
def workers_list(as_json: bool, **given: Any) -> None:
    """List the live workers."""
    from arqsvc.cli.inspect import look as main

    run(main, "stats", 500, as_json, **given)


def _tell(verb: str, said: str) -> None:
    @workers.command(verb, help=said)
    @click.argument("worker")
    @JSON
    @STATE
    def command(worker: str, as_json: bool, **given: Any) -> None:
        from arqsvc.cli.inspect import tell as main

        run(main, verb, worker, as_json, **given)


_tell("drain", "Let a worker begin no more jobs; what it runs is done.")
_tell("resume", "Let a drained worker begin jobs again.")
_tell("stop", "End a worker in order; what is not done in time goes back to its queue.")


@click.command()
@click.option("--every", "every_s", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds.")
@click.option("--once", is_flag=True, help="Show it once, and end.")
@JSON
@STATE
def top(every_s: float, once: bool, as_json: bool, **given: Any) -> None:
    """Show queues, workers and running jobs, live, until Ctrl-C; with --json one object a look."""
    from arqsvc.cli.top import top as main

    run(main, every_s, once, as_json, **given)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what completes commands in a shell: `eval "$(arqsvc completion bash)"`."""
    found = get_completion_class(shell)
    assert found
    click.echo(found(context.find_root().command, {}, PROGRAM, f"_{PROGRAM.upper()}_COMPLETE").source())


COMMANDS = (inspect, workers, top, completion)
