"""The Python client: submit, map, watch, result, cancel, download; over the public API only.

    from arqsvc.client import Client

    with Client("http://127.0.0.1:8000", key) as client:
        job = client.submit("genomes.analyze", {"accession": "NC_000913.3"})
        result = job.result(timeout=600)
        job.download("results")

`AsyncClient` has the same methods as coroutines. Given Params of a family instead of a kind's name, a job's result has
the type that its Params declare. It imports httpx and pydantic, and nothing of the server.

What goes wrong is an `ArqsvcError`, so that one `except` catches all of it:

    ArqsvcError
      ApiError       the API refused; `facts` says why
        JobError     the job failed or was cancelled
      CannotStart    an address or a key is missing or wrong
        Unreachable  the service does not answer, or has not for a minute where that is waited for; jobs go on

`result(timeout=...)` alone raises Python's TimeoutError too.
"""

from arqsvc.client.answers import ApiError, Unreachable
from arqsvc.client.blocking import Client, Job
from arqsvc.client.jobs import AsyncClient, AsyncJob, JobError
from arqsvc.client.stream import FINAL
from arqsvc.errors import ArqsvcError, CannotStart

__all__ = [
    "FINAL",
    "ApiError",
    "ArqsvcError",
    "AsyncClient",
    "AsyncJob",
    "CannotStart",
    "Client",
    "Job",
    "JobError",
    "Unreachable",
]
