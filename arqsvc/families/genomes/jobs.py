"""The genome jobs."""

import json
from datetime import UTC, datetime

from arqsvc import __version__
from arqsvc.families.genomes.analysis import analyse
from arqsvc.families.genomes.download import downloaded
from arqsvc.families.genomes.params import Analysis, Analyze, Download, Downloaded
from arqsvc.jobs.context import Input, JobContext
from arqsvc.jobs.declare import job


@job(Download)
async def download(ctx: JobContext, params: Download) -> Downloaded:
    """Take it from storage, or from the first source that serves it whole; safe to run twice, and for several jobs."""
    return await downloaded(ctx, params)


@job(Analyze)
async def analyze(ctx: JobContext, params: Analyze) -> Analysis:
    """Measure and draw in a child process, publish what it wrote; safe to run twice."""
    file, source = await _input(ctx, params)
    out = ctx.scratch / "out"
    out.mkdir()
    started = datetime.now(UTC)
    headline = await ctx.compute(
        analyse, file.path, out, params.genetic_code, params.cai_reference,
        ctx.settings.expanded_limit_bytes, reports=True,
    )  # fmt: skip
    run = {
        "job_id": str(ctx.job_id),
        "attempt": ctx.attempt,
        "file": file.name,
        "source": source and source.model_dump(mode="json"),
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


async def _input(ctx: JobContext, params: Analyze) -> tuple[Input, Downloaded | None]:
    """Return the file to analyse, and where it came from if it was downloaded."""
    if params.file_id is not None:
        return await ctx.open(params.file_id), None
    needed = await ctx.needed(Download.kind, Downloaded)
    return needed.files[needed.result.name], needed.result
