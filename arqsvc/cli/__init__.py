"""The commands. Each imports what it needs when it runs, so that `--help` answers at once."""

from pathlib import Path
from typing import Any

import click

from arqsvc import __version__
from arqsvc.cli.command import JSON, LOG_FILE, LOG_LEVEL, STATE, STATE_DIR, run
from arqsvc.cli.keys import keys
from arqsvc.cli.operate import COMMANDS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="arqsvc", message="%(prog)s %(version)s")
def commands() -> None:
    """Jobs for genomics: submit a genome, watch it live, get numbers and figures you can cite."""


@commands.command()
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("arqsvc-out"), show_default=True)
@click.option("--genetic-code", type=int, help="NCBI translation table for every CDS.  [default: the record's own]")
@click.option(
    "--cai-reference", metavar="GENES", help="Genes or locus tags, separated by commas, that CAI takes as adapted."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each target.")
@click.option("--no-progress", is_flag=True, help="Draw no progress.")
@STATE
@LOG_LEVEL
@LOG_FILE
def analyze(
    targets: tuple[str, ...],
    out: Path,
    genetic_code: int | None,
    cai_reference: str | None,
    as_json: bool,
    no_progress: bool,
    **given: Any,
) -> None:
    """Analyse annotated genomes: .gb, .gbk or .gbff files, plain or gzip, or accessions, which are downloaded first."""
    from arqsvc.cli.analyze import analyze as main

    params: dict[str, Any] = {} if genetic_code is None else {"genetic_code": genetic_code}
    if cai_reference:
        params["cai_reference"] = [gene.strip() for gene in cai_reference.split(",") if gene.strip()]
    run(main, targets, out, params, as_json, not no_progress, **given)


@commands.command()
@click.argument("targets", nargs=-1, required=True, metavar="ACCESSION...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="this folder")
@click.option("--format", "file_format", type=click.Choice(["genbank", "fasta"]), default="genbank", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each accession.")
@click.option("--no-progress", is_flag=True, help="Draw no progress.")
@STATE
@LOG_LEVEL
@LOG_FILE
def download(
    targets: tuple[str, ...], out: Path, file_format: str, as_json: bool, no_progress: bool, **given: Any
) -> None:
    """Download and verify nucleotide records and assemblies of NCBI by their accessions."""
    from arqsvc.cli.download import download as main

    run(main, targets, out, file_format, as_json, not no_progress, **given)


@commands.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("arqsvc-out"), show_default=True)
@STATE
@LOG_LEVEL
@LOG_FILE
def demo(out: Path, **given: Any) -> None:
    """Analyse a small real genome that comes with arqsvc."""
    from arqsvc.cli.analyze import analyze as main
    from arqsvc.cli.analyze import demo_record

    run(main, [demo_record()], out, {}, False, True, **given)


@commands.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 8000]")
@STATE
@LOG_LEVEL
@LOG_FILE
def up(**given: Any) -> None:
    """Run the whole service in this terminal: servers, API, worker."""
    from arqsvc.cli.services import up as main

    run(main, **given)


@commands.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 8000]")
@LOG_LEVEL
@LOG_FILE
def api(**given: Any) -> None:
    """Run the API alone, on ARQSVC_REDIS_URL and ARQSVC_DATABASE_URL."""
    from arqsvc.cli.services import api as main

    run(main, **given)


@commands.command()
@click.option("-q", "--queues", help="Queues to serve, as NAME,... or NAME:JOBS-AT-A-TIME,...  [default: all]")
@click.option("--concurrency", type=click.IntRange(1, 64), help="Jobs at a time in each queue.")
@click.option("--autoscale", metavar="MIN:MAX", help="Keep MIN to MAX workers, by how long jobs wait and by CPU.")
@LOG_LEVEL
@LOG_FILE
def worker(**given: Any) -> None:
    """Run a worker, or as many as are needed, on ARQSVC_REDIS_URL and ARQSVC_DATABASE_URL."""
    from arqsvc.cli.services import worker as main

    run(main, **given)


@commands.command()
def migrate() -> None:
    """Bring the schema of ARQSVC_DATABASE_URL to this version."""
    from arqsvc.cli.services import migrate as main

    run(main)


@commands.command()
@click.option("--worker", is_flag=True, help="Whether a worker of this host beats, by ARQSVC_DATABASE_URL.")
@STATE
def health(worker: bool, **given: Any) -> None:
    """Exit 0 if the service is ready, else 1, by what its /readyz says.

    Asked is ARQSVC_URL, or ARQSVC_PORT on this host; where neither is set, the instance that holds the state folder,
    else port 8000.
    """
    from arqsvc.cli.health import service_health, worker_health

    run(worker_health if worker else service_health, **given)


@commands.group()
def jobs() -> None:
    """Jobs of a running service: ARQSVC_URL and ARQSVC_API_KEY, or the instance that holds the state folder.

    A JOB is its id, or the beginning of it, 8 characters or more, where no other job begins so.
    """


@jobs.command("list")
@click.option("--state", "states", multiple=True, help="States, separated by commas; may be given again.")
@click.option("--kind", "kinds", multiple=True, help="Kinds, separated by commas; may be given again.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@JSON
@STATE_DIR
def jobs_list(states: tuple[str, ...], kinds: tuple[str, ...], limit: int, as_json: bool, **given: Any) -> None:
    """List the newest jobs."""
    from arqsvc.cli.jobs import list_jobs as main

    run(main, states, kinds, limit, as_json, **given)


@jobs.command("show")
@click.argument("job")
@STATE
def jobs_show(job: str, **given: Any) -> None:
    """Print one job as JSON."""
    from arqsvc.cli.jobs import show as main

    run(main, job, **given)


@jobs.command("watch")
@click.argument("job")
@STATE
def jobs_watch(job: str, **given: Any) -> None:
    """Print what happens to a job, a line each, until it ends; exit 1 if it did not succeed."""
    from arqsvc.cli.jobs import watch as main

    run(main, job, **given)


@jobs.command("cancel")
@click.argument("job")
@click.option("--reason", help="Why; it is kept with the job.")
@click.option("--force", is_flag=True, help="Give a running job no time to clean up.")
@STATE
def jobs_cancel(job: str, reason: str | None, force: bool, **given: Any) -> None:
    """End a job."""
    from arqsvc.cli.jobs import act as main

    run(main, "cancel", job, reason, force, **given)


@jobs.command("retry")
@click.argument("job")
@STATE
def jobs_retry(job: str, **given: Any) -> None:
    """Queue a failed or cancelled job again."""
    from arqsvc.cli.jobs import act as main

    run(main, "retry", job, **given)


PARAM = click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter: JSON, text, or @PATH for a file to upload.",
)


@jobs.command("submit")
@click.argument("kind")
@PARAM
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="What it is found by.")
@click.option("--priority", type=click.IntRange(1, 10), help="1 to 10, 10 the most urgent.  [default: the kind's]")
@click.option("--delay", "delay_s", type=click.FloatRange(0), metavar="SECONDS", help="Seconds until it may begin.")
@click.option("--run-at", metavar="TIME", help="When it may begin, instead: 2027-01-31T08:00:00Z, or with an offset.")
@STATE
def jobs_submit(
    kind: str,
    params: tuple[str, ...],
    tags: tuple[str, ...],
    priority: int | None,
    delay_s: float | None,
    run_at: str | None,
    **given: Any,
) -> None:
    """Submit a job of this kind, and print its id."""
    from arqsvc.cli.jobs import submit as main

    run(main, kind, params, tags, {"priority": priority, "delay_s": delay_s, "run_at": run_at}, **given)


@jobs.command("rerun")
@click.argument("job")
@click.option("--params", "text", default="{}", metavar="JSON", help="The parameters that are to be different.")
@PARAM
@STATE
def jobs_rerun(job: str, text: str, params: tuple[str, ...], **given: Any) -> None:
    """Submit a job anew, as another one, and print its id; what is not given is as it was."""
    from arqsvc.cli.jobs import rerun as main

    run(main, job, text, params, **given)


@commands.group()
def queues() -> None:
    """Queues of a running service: ARQSVC_URL and ARQSVC_API_KEY, or the instance that holds the state folder."""


@queues.command("list")
@JSON
@STATE
def queues_list(as_json: bool, **given: Any) -> None:
    """List the queues: mode, depth, age of the oldest job, rates, workers."""
    from arqsvc.cli.queues import list_queues as main

    run(main, as_json, **given)


def _queue_command(verb: str, said: str) -> None:
    @queues.command(verb, help=said)
    @click.argument("queue")
    @JSON
    @STATE
    def command(queue: str, as_json: bool, **given: Any) -> None:
        from arqsvc.cli.queues import change as main

        run(main, verb, queue, as_json, **given)


_queue_command("pause", "Start nothing more of a queue; what runs goes on, new jobs are taken in.")
_queue_command("resume", "Let a paused or draining queue go on.")
_queue_command("drain", "Take in no new jobs; what is there is done.")


@queues.command("purge")
@click.argument("queue")
@click.option("--reason", help="Why; it is kept with each job.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@STATE
def queues_purge(queue: str, reason: str | None, yes: bool, as_json: bool, **given: Any) -> None:
    """Cancel all that waits in a queue, of all projects, also what is for later; what runs goes on.

    Says how many jobs that is and asks first; where it is no terminal, --yes is needed.
    """
    from arqsvc.cli.queues import purge as main

    run(main, queue, reason, yes, as_json, **given)


for _command in (keys, *COMMANDS):
    commands.add_command(_command)
