"""The genome jobs."""

import json
from datetime import UTC, datetime

from arqsvc import __version__
from arqsvc.families.genomes.analysis import analyse
from arqsvc.families.genomes.params import Analysis, Analyze
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import job


@job(Analyze)
async def analyze(ctx: JobContext, params: Analyze) -> Analysis:
    """Measure and draw in a child process, publish what it wrote; safe to run twice."""
    source = await ctx.open(params.file_id)
    out = ctx.scratch / "out"
    out.mkdir()
    started = datetime.now(UTC)
    headline = await ctx.compute(
        analyse, source.path, out, params.genetic_code, params.cai_reference,
        ctx.settings.expanded_limit_bytes, reports=True,
    )  # fmt: skip
    run = {
        "job_id": str(ctx.job_id),
        "attempt": ctx.attempt,
        "file": source.name,
        "params": params.model_dump(mode="json"),
        "arqsvc": __version__,
        "started_at": started.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(),
        "peak_memory_bytes": ctx.peak_memory_bytes,
        "cpu_s": ctx.cpu_s,
    }
    (out / "run.json").write_text(json.dumps(run, indent=2) + "\n")
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        await ctx.publish(path)
    await ctx.progress("complete", 1.0)
    return Analysis(**headline)
