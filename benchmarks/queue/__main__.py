"""What a job costs: this service beside the queues of others, taking turns in one run.

    python -m benchmarks.queue [--peers NAME,...] [--jobs N] [--rounds N] [--cache FOLDER]

Each contestant gets a Valkey, and where it uses one a PostgreSQL, of its own, fresh each time; each peer an environment
of its own with the versions named here, kept in the cache folder or made anew. Ours runs with ledger, heartbeats,
events and results; peers as they are fastest, on uvloop where they are asynchronous. Workers stand still while the
queue is filled, and a drain ends with the last job (in the ledger too, where there is one).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.queue.measures import drains, waits
from benchmarks.queue.stage import PEERS, Contestant, Failed, python_of, staged
from benchmarks.table import Row, show_table, spread

COMMON = ("uvloop==0.23.0", "hiredis==3.5.0")
TASKIQ = ("taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0")
CELERY = ("celery[redis]==5.7.0", "redis==8.1.0")


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


def show(rows: dict[str, Row]) -> None:
    """Print the tables, and what a second worker brings."""
    for title, columns in TABLES:
        show_table(title, rows, columns)
    if "two jobs/s" in next(iter(rows.values())):
        print("\ntwo workers over one: " + "; ".join(
            f"{name} {row['two jobs/s'] / row['drain jobs/s']:.2f}" for name, row in rows.items() if "two jobs/s" in row
        ))  # fmt: skip


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
