"""The Python client: submit, map, watch, result, cancel, download; over the public API only.

    from arqsvc.client import Client

    with Client("http://127.0.0.1:8000", key) as client:
        job = client.submit("genomes.analyze", {"accession": "NC_000913.3"})
        result = job.result(timeout=600)
        job.download("results")

`AsyncClient` has the same methods as coroutines. Given Params of a family instead of a kind's name, a job's result has
the type that its Params declare. It imports httpx and pydantic, and nothing of the server.
"""

from arqsvc.client.answers import ApiError
from arqsvc.client.blocking import Client, Job
from arqsvc.client.jobs import AsyncClient, AsyncJob, JobError
from arqsvc.client.stream import FINAL

__all__ = ["FINAL", "ApiError", "AsyncClient", "AsyncJob", "Client", "Job", "JobError"]
