"""What is lost and what is done twice while everything is killed.

    python -m benchmarks.chaos [--jobs N] [--seed S] [--seconds T] [--keep FOLDER]

Jobs of mixed kinds are submitted over HTTP to an API; three workers, each behind links of its own to Valkey and
PostgreSQL, run them. Every few seconds something is killed, stopped, flushed, restarted or cut, as the seed says, and
what ended is started again. Then all is quiet until the last job has ended, or time is up. The exit code is 1 if
something was lost or done twice.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from arqsvc.logs import log_to
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.trial import Outcome, tried


def show(outcome: Outcome) -> None:
    """Print what came of a trial."""
    verdict = outcome.verdict
    print(f"accepted {verdict.accepted:,} = ended {verdict.accepted - verdict.lost:,}; lost {verdict.lost}")
    print(f"in the ledger {verdict.ledger:,}, with what was needed or not answered; not ended {verdict.unended}")
    print("ended as: " + "; ".join(f"{how} {count:,}" for how, count in verdict.states.items()))
    print(f"effects twice {verdict.twice}: " + "; ".join(f"{what} {count}" for what, count in verdict.doubts.items()))
    print(f"attempts that outlived their worker's lease, and of which nothing was recorded: {verdict.outlived}")
    print(f"workers that run in the end and do not say so: {verdict.silent}")
    print(f"attempts taken from a worker that nothing had happened to: {verdict.unfounded}")
    print(f"{len(verdict.restarts_s)} attempts were killed with their worker")
    if verdict.restarts_s:
        print(f"kill to queued again: {spread(verdict.rescues_s)}; kill to restart: {spread(verdict.restarts_s)}")
    print("disturbances: " + "; ".join(f"{what} {count}" for what, count in sorted(outcome.happened.items())))
    print(f"processes that ended by themselves, by exit code: {dict(outcome.exits) or 'none'}")
    print(f"chaos {outcome.chaos_s:.0f} s, then {outcome.quiet_s:.1f} s to the last end")


def spread(waits_s: Sequence[float]) -> str:
    return f"p50 {median(waits_s):.1f} s, max {waits_s[-1]:.1f} s"


def main() -> int:
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="What is lost, and done twice.")
    parser.add_argument("--jobs", type=int, default=usual.jobs, help=f"jobs to submit (default: {usual.jobs})")
    parser.add_argument("--seed", type=int, default=usual.seed, help=f"of the disturbances (default: {usual.seed})")
    parser.add_argument(
        "--seconds", type=float, default=usual.seconds, help=f"of submissions and chaos (default: {usual.seconds:g})"
    )
    parser.add_argument("--keep", type=Path, help="empty folder that keeps logs and data; default: a temporary one")
    given = parser.parse_args()
    plan = Plan(jobs=given.jobs, seed=given.seed, seconds=given.seconds)
    log_to("INFO", None)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="arqsvc-chaos-") as fresh:
        outcome = asyncio.run(tried(plan, given.keep.absolute() if given.keep else Path(fresh)))
    print(f"{plan.jobs:,} jobs, seed {plan.seed}, {os.cpu_count()} CPUs, {time.monotonic() - began_s:.0f} s in all")
    show(outcome)
    return 0 if outcome.verdict.flawless else 1


if __name__ == "__main__":
    sys.exit(main())
