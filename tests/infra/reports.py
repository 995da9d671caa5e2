"""What a running function reports, kept for a test."""

import asyncio


class Reports:
    """Takes reports; `first` is the step of the first one."""

    def __init__(self) -> None:
        self.all: list[tuple[str, float]] = []
        self.first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def __call__(self, step: str, fraction: float) -> None:
        self.all.append((step, fraction))
        if not self.first.done():
            self.first.set_result(step)
