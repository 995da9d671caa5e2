"""What a job costs: this service beside the queues of others, taking turns in one run.

    python -m benchmarks.queue [--peers NAME,...] [--jobs N] [--rounds N] [--cache FOLDER]

Each contestant gets a Valkey, and where it uses one a PostgreSQL, of its own, fresh each time; each peer an environment
of its own with the versions named here, kept in the cache folder or made anew. Ours runs with ledger, heartbeats,
events and results; peers as they are fastest, on uvloop where they are asynchronous. Workers stand still while the
queue is filled, and a drain ends with the last job (in the ledger too, where there is one).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.queue.measures import drains, waits
from benchmarks.queue.stage import PEERS, Contestant, Failed, Row, staged

COMMON = ("uvloop==0.23.0", "hiredis==3.5.0")
TASKIQ = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0")
CELERY = ("celery[redis]==5.7.0", "redis==8.1.0")
INSTALL_S = 300.0


def peer(
    name: str, program: str, variant: str = "", *requirements: str, unfinished: str = "", jobs_divisor: int = 1
) -> Contestant:
    command = (str(PEERS / f"with_{program}.py"),)
    return Contestant(name, command, variant, (*requirements, *COMMON), unfinished, jobs_divisor)


UNFINISHED = "SELECT EXISTS (SELECT FROM job WHERE state <> 'succeeded')"
OURS = ("-m", "benchmarks.queue.ours")
CONTESTANTS = (
    Contestant("ours", OURS, unfinished=UNFINISHED),
    Contestant("ours, a log line a change", OURS, "INFO", unfinished=UNFINISHED),
    peer("arq, poll 0.01", "arq", "0.01", "arq==0.28.0", "redis==5.3.1"),
    peer("SAQ", "saq", "", "saq==0.26.4", "redis==7.4.1", "typing-extensions==4.15.0"),
    peer("streaq", "streaq", "", "streaq==7.2.0"),
    peer("taskiq list, no results", "taskiq", "list", *TASKIQ),
    peer("taskiq stream, results", "taskiq", "stream", *TASKIQ),
    peer("Celery, 2 processes", "celery", "prefork", *CELERY),
    peer("Celery, threads", "celery", "threads", *CELERY),
    peer("dramatiq, 64 threads", "dramatiq", "64", "dramatiq==2.2.1", "redis==8.1.0"),
    peer("rq, fork", "rq", "fork", "rq==3.0.0", "redis==8.1.0", jobs_divisor=10),
    peer("rq, no fork", "rq", "simple", "rq==3.0.0", "redis==8.1.0", jobs_divisor=5),
    peer(
        "Procrastinate", "procrastinate", "", "procrastinate==3.10.0", "psycopg[binary]==3.3.9",
        unfinished="SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status <> 'succeeded')",
    ),
)  # fmt: skip

TABLES = (
    (
        "one worker, concurrency 64: jobs a second of no-ops, of 10 ms sleeps, of no-ops with two workers",
        ("drain jobs/s", "sleep jobs/s", "two jobs/s"),
    ),
    ("CPU of a no-op job, in microseconds, one worker", ("drain worker us", "drain Redis us", "drain PG us")),
    ("from the call (ours: the POST) to the work, an idle worker", ("pickup p50 ms", "pickup p99 ms", "pickups")),
    ("an idle worker", ("idle worker %", "idle commands/s")),
    ("jobs submitted a second: one at a time, in batches of 500, by POST", ("one/s", "batch/s", "POST/s")),
)


def python_of(contestant: Contestant, cache: Path) -> Path:
    """Return the Python of a contestant; its environment is made unless it is there with these versions.

    Raises:
        Failed: it does not install.
    """
    if not contestant.requirements:
        return Path(sys.executable)
    folder = cache / Path(contestant.command[0]).stem
    python, note, wanted = folder / "bin" / "python", folder / "installed", "\n".join(contestant.requirements)
    if not (note.exists() and note.read_text() == wanted):
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *contestant.requirements]
        try:
            subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = (error.stderr or b"").decode(errors="replace").strip().splitlines()
            raise Failed(f"it does not install: {said[-1][:200] if said else type(error).__name__}") from error
        note.write_text(wanted)
    return python


def measured(contestants: Sequence[Contestant], pythons: dict[str, Path], jobs: int, rounds: int) -> dict[str, Row]:
    """Return the median of each value, by contestant; what fails is said and left out."""
    found: dict[str, list[Row]] = {one.name: [] for one in contestants}
    for measure in (drains, waits):
        for number in range(rounds):
            for one in contestants:
                print(f"\r{measure.__name__}, round {number + 1}: {one.name:40}", end="", file=sys.stderr, flush=True)
                try:
                    found[one.name].append(staged(one, pythons[one.name], lambda stage: measure(stage, jobs)))  # noqa: B023
                except Failed as error:
                    print(f"\n{one.name}: {measure.__name__}: {error}", flush=True)
    print(file=sys.stderr)
    return {name: spread(rows) for name, rows in found.items()}


def spread(rows: Sequence[Row]) -> Row:
    """Return the median of each column, and beside it the least and the most."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for column, value in row.items():
            values.setdefault(column, []).append(value)
    return {
        name: value
        for column, some in values.items()
        for name, value in ((column, median(some)), (f"{column} least", min(some)), (f"{column} most", max(some)))
    }


def show(rows: dict[str, Row]) -> None:
    """Print the tables: median (least to most), and how many times that is what the first contestant has."""
    first = next(iter(rows.values()))
    for title, columns in TABLES:
        print(f"\n{title}\n{'':26}" + "".join(f"{column:>36}" for column in columns))
        for name, row in rows.items():
            print(f"{name:26}" + "".join(f"{cell(row, column, first):>36}" for column in columns).rstrip())
    if "two jobs/s" in first:
        print("\ntwo workers over one: " + "; ".join(
            f"{name} {row['two jobs/s'] / row['drain jobs/s']:.2f}" for name, row in rows.items() if "two jobs/s" in row
        ))  # fmt: skip


def cell(row: Row, column: str, first: Row) -> str:
    if column not in row:
        return "-"
    digits = 0 if row[column] >= 100 else 1
    value, least, most = (f"{row[name]:,.{digits}f}" for name in (column, f"{column} least", f"{column} most"))
    ratio = f" {row[column] / first[column]:.2f}x" if first.get(column) else ""
    return f"{value} ({least} to {most}){ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description="What a job costs, beside peers.")
    parser.add_argument("--peers", help="pieces of names, separated by commas; default: all. Ours always takes part.")
    parser.add_argument("--jobs", type=int, default=5000, help="jobs of a drain and of a batch (default: 5000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contestant has its turn (default: 3)")
    parser.add_argument("--cache", type=Path, help="folder that keeps the peers' environments; default: a fresh one")
    given = parser.parse_args()
    wanted = given.peers.split(",") if given.peers else [""]
    chosen = [one for one in CONTESTANTS if one.name == "ours" or any(piece in one.name for piece in wanted)]
    with tempfile.TemporaryDirectory() as fresh:
        pythons: dict[str, Path] = {}
        for one in chosen:
            try:
                pythons[one.name] = python_of(one, (given.cache or Path(fresh)).absolute())
            except Failed as error:
                print(f"{one.name}: {error}")
        taking_part = [one for one in chosen if one.name in pythons]
        print(f"{os.cpu_count()} CPUs, {given.rounds} rounds of {given.jobs:,} jobs; median (least to most), x of ours")
        for one in taking_part:
            print(f"{one.name:26}{' '.join(one.requirements)}")
        show(measured(taking_part, pythons, given.jobs, given.rounds))


if __name__ == "__main__":
    main()
