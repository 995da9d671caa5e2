"""`python -m tests.mirror`: a mirror that stands alone, until it is stopped.

Faults are planned by POST /_fault with JSON: `fault` is a name of `faults.FAULTS`, `path`, `times` and `seconds` say
what meets it, and all else are the fault's own arguments: {"fault": "cut", "at": 0.6, "path": "efetch"}.
POST /_mend forgets them, POST /_release lets go what is held, and GET /_requests tells what was seen.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from tests.mirror.mirror import exports, running_mirror
from tests.mirror.records import Records


async def _stand(records: Records, port: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running_mirror(records, port=port) as mirror:
        sys.stdout.write(exports(mirror.environment))
        sys.stdout.flush()
        await stopped.wait()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--port", type=int, default=0, help="port on loopback; 0 takes a free one")
    options.add_argument("--data", type=Path, help="folder of shared data, for more than the packaged record")
    given = options.parse_args()
    asyncio.run(_stand(Records.shared(given.data) if given.data else Records.packaged(), given.port))
