"""What the API costs and carries.

    python -m benchmarks.api [--only submits,streams,cuts,soak] [--rounds N] [--cache FOLDER] ...

In turn, each on fresh servers: submissions beside a bare route and beside Celery; thousands of streams on one process;
10,000 changes over connections that are cut; memory in steady use. Nothing is asserted: look at the tables. Each part
runs by itself too, as `python -m benchmarks.api.PART`.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import uvloop

from benchmarks.api import cuts, soak, streams, submits

PARTS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "submits": (
        "Submissions",
        lambda given: submits.submitted(given.connections, given.seconds, given.rounds, given.cache),
    ),
    "streams": ("Streams", lambda given: uvloop.run(streams.followed(given.streams, given.followed_jobs))),
    "cuts": ("Connections that are cut", lambda given: uvloop.run(cuts.cut(given.cut_jobs))),
    "soak": ("Memory in steady use", lambda given: uvloop.run(soak.soaked(given.soak_seconds, given.soak_rate))),
}


def parts(text: str) -> list[str]:
    """Return the names of parts in `submits,cuts`."""
    names = text.split(",")
    if unknown := set(names) - set(PARTS):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description="What the API costs and carries.")
    add = parser.add_argument
    add("--only", type=parts, default=list(PARTS), help="parts, separated by commas; default: all")
    add("--rounds", type=int, default=submits.ROUNDS, help="how often each way to submit has its turn")
    add("--connections", type=submits.numbers, default=submits.CONNECTIONS, help="submitters at a time, as 8,32")
    add("--seconds", type=float, default=submits.SECONDS, help="of submissions, each time")
    add("--cache", type=Path, help="folder that keeps the environment of the peers; default: a fresh one")
    add("--streams", type=int, default=streams.STREAMS, help="streams that are open at a time")
    add("--followed-jobs", type=int, default=streams.JOBS, help="jobs that they follow")
    add("--cut-jobs", type=int, default=cuts.JOBS, help="jobs, of three changes each, told over cut connections")
    add("--soak-seconds", type=float, default=soak.SECONDS, help="of steady use")
    add("--soak-rate", type=float, default=soak.RATE_PER_S, help="submissions a second in steady use")
    given = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load {psutil.getloadavg()[0]:.1f}")
    for name in given.only:
        title, part = PARTS[name]
        print(f"\n== {title} ==", flush=True)
        part(given)


if __name__ == "__main__":
    main()
