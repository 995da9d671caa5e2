"""An answer of a test's own making in place of the good one."""

from tests.mirror.faults import Fault
from tests.mirror.server import Answer, Request, Respond


def body(text: bytes) -> Fault:
    """Say 200 and this."""

    async def meet(request: Request, respond: Respond) -> Answer:
        return Answer(200, text, {"Content-Type": "text/plain"})

    return Fault(f"body {text[:10]!r}", meet)
