"""Kinds of jobs that end in every way there is."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from arqsvc.errors import BadInput, Conflict, Retryable, Throttled
from arqsvc.jobs.context import JobContext
from arqsvc.jobs.declare import FileId, Job, Limit, Params, Result, Retries, job
from tests.flow.child_work import fill, log_until_there, until_there, wait_for_file

logger = logging.getLogger(__name__)
QUICK = Retries(tries=3, first_s=0.05, cap_s=0.1)


class Said(Result):
    """What came of it."""

    text: str


class Say(Params, kind="test.say", result=Said, queue="test", retries=QUICK):
    """Return a text, and publish it as a file."""

    result: ClassVar[type[Said]]

    text: str


@job(Say)
async def say(ctx: JobContext, params: Say) -> Said:
    path = ctx.scratch / "said.txt"
    path.write_text(params.text)
    await ctx.publish(path)
    return Said(text=params.text)


class Odd(Said):
    """What cannot be stored."""

    value: Any


class Fail(Params, kind="test.fail", result=Said, queue="test", retries=QUICK):
    """Raise, in the first `times` attempts."""

    how: str
    times: int = 1_000


@job(Fail)
async def fail(ctx: JobContext, params: Fail) -> Said:
    if ctx.attempt <= params.times:
        match params.how:
            case "retryable":
                raise Retryable("the source sleeps", delay_s=0.05)
            case "rejected":
                raise Conflict("not like this")
            case "failed":
                raise BadInput("the file is empty", reason="empty")
            case "timeout":
                raise TimeoutError
            case "nothing":
                return None  # type: ignore[return-value]
            case "no result":
                return Odd(text="x", value=object())
            case "no JSON":
                raise BadInput("a fact that is no JSON", path=Path("x"))
            case "no number":
                await ctx.progress("half \ud800", float("nan"), float("inf"))
                raise BadInput("progress that is none", reason="nan")
            case "cancel":
                raise asyncio.CancelledError
            case "unstorable":
                raise BadInput("half of a character", value="\ud800")
            case "full":
                Path("/dev/full").write_text("x")
            case _:
                raise RuntimeError("a secret of the programmer")
    return Said(text=f"attempt {ctx.attempt}")


class Wait(Params, kind="test.wait", result=Said, queue="test", timeout_s=60, retries=QUICK):
    """Compute, in a child that starts a child, until a file exists; says its process ids in `pids`."""

    folder: Path


@job(Wait)
async def wait(ctx: JobContext, params: Wait) -> Said:
    (ctx.scratch / "waits").touch()
    await ctx.progress("wait", 0.1)
    return Said(text=await ctx.compute(wait_for_file, params.folder))


class TooSlow(Params, kind="test.too_slow", result=Said, queue="test", timeout_s=0.3, retries=QUICK):
    """Take longer than it may."""

    folder: Path


@job(TooSlow)
async def too_slow(ctx: JobContext, params: TooSlow) -> Said:
    return Said(text=await ctx.compute(wait_for_file, params.folder))


class Step(Params, kind="test.step", result=Said, queue="test", retries=QUICK):
    """Go through three steps, with much progress in each."""

    pause_s: float = 0.0


@job(Step)
async def step(ctx: JobContext, params: Step) -> Said:
    for number, name in enumerate(("first", "second", "third")):
        for done in range(50):
            await ctx.progress(name, number * 50 + done, 150, "pieces")
        await asyncio.sleep(params.pause_s)
    return Said(text="stepped")


class Eat(Params, kind="test.eat", result=Said, queue="test", retries=QUICK):
    """Use up memory."""

    size_bytes: int


@job(Eat)
async def eat(ctx: JobContext, params: Eat) -> Said:
    return Said(text=str(await ctx.compute(fill, params.size_bytes)))


class Read(Params, kind="test.read", result=Said, queue="test", retries=QUICK):
    """Read an uploaded file."""

    file_id: FileId


@job(Read)
async def read(ctx: JobContext, params: Read) -> Said:
    return Said(text=(await ctx.open(params.file_id)).path.read_text())


class Share(Params, kind="test.share", result=Said, queue="test", retries=QUICK):
    """Run once for all that share it, until a file exists; each run leaves a file."""

    folder: Path
    how: str = "succeed"

    def shared(self) -> str:
        return str(self.folder)


@job(Share)
async def share(ctx: JobContext, params: Share) -> Said:
    (params.folder / f"run-{ctx.job_id}-{ctx.attempt}").touch()
    await ctx.progress("share", 1, 2, "parts")
    await ctx.compute(until_there, params.folder / "go")
    if params.how == "fail":
        raise BadInput("nobody can use this", reason="empty")
    if params.how == "throttle" and len(list(params.folder.glob("run-*"))) == 1:
        raise Throttled("the source asks to wait", delay_s=0.5)
    (ctx.scratch / "shared.txt").write_text("shared")
    await ctx.publish(ctx.scratch / "shared.txt")
    return Said(text="shared")


class Follow(Params, kind="test.follow", result=Said, queue="test", retries=QUICK):
    """Read what the jobs that it needs have done."""

    folder: Path
    how: str = "succeed"

    def needs(self) -> tuple[Params, ...]:
        return Share(folder=self.folder, how=self.how), Say(text="needed")


@job(Follow)
async def follow(ctx: JobContext, params: Follow) -> Said:
    said = await ctx.needed(Say.kind, Said)
    shared = await ctx.needed(Share.kind, Said)
    return Said(text=f"{said.result.text} {shared.files['shared.txt'].path.read_text()}")


class FollowBoth(Params, kind="test.follow_both", result=Said, queue="test", retries=QUICK):
    """Need two that take their time."""

    first: Path
    second: Path

    def needs(self) -> tuple[Params, ...]:
        return Share(folder=self.first), Share(folder=self.second)


@job(FollowBoth)
async def follow_both(ctx: JobContext, params: FollowBoth) -> Said:
    return Said(text="both")


class FollowOn(Params, kind="test.follow_on", result=Said, queue="test", retries=QUICK):
    """Need what needs."""

    folder: Path
    how: str = "succeed"

    def needs(self) -> tuple[Params, ...]:
        return (Follow(folder=self.folder, how=self.how),)


@job(FollowOn)
async def follow_on(ctx: JobContext, params: FollowOn) -> Said:
    return (await ctx.needed(Follow.kind, Said)).result


class Linger(Params, kind="test.linger", result=Said, queue="test", timeout_s=30.0, soft_timeout_s=0.5, retries=QUICK):
    """Wait for ever; when it is cancelled, clean up, return, or stay."""

    folder: Path
    how: str


@job(Linger)
async def linger(ctx: JobContext, params: Linger) -> Said:
    (params.folder / "runs").touch()
    try:
        await ctx.compute(until_there, params.folder / "go")
    except asyncio.CancelledError:
        if params.how == "return":
            return Said(text="as far as it came")
        if params.how == "slow":
            await asyncio.sleep(20)
        while params.how == "stay":
            await stay(ctx, params.folder)
        (params.folder / "cleaned").write_text(str(ctx.interruption))
        raise
    return Said(text="went")


async def stay(ctx: JobContext, folder: Path) -> None:
    """Go on whatever is said, and take down how that is refused."""
    with suppress(asyncio.CancelledError):
        try:
            await asyncio.sleep(0.05)
            await ctx.compute(until_there, folder / "go")
        except RuntimeError as error:
            (folder / "refused").write_text(str(error))


class Silent(Params, kind="test.silent", result=Said, queue="test", no_progress_s=0.6, retries=QUICK):
    """Tell progress some times, then no more."""

    folder: Path
    times: int


@job(Silent)
async def silent(ctx: JobContext, params: Silent) -> Said:
    for number in range(params.times):
        await ctx.progress("count", number + 1, 100)
        await asyncio.sleep(0.3)
    await ctx.compute(until_there, params.folder / "go")
    return Said(text="went")


class Count(Params, kind="test.count", result=Said, queue="test", retries=QUICK):
    """Count, keeping a checkpoint; stop at 4 until a file exists."""

    folder: Path
    upto: int


@job(Count)
async def count(ctx: JobContext, params: Count) -> Said:
    number = int(ctx.checkpointed or 0)
    while number < params.upto:
        (params.folder / f"did-{number}-{ctx.attempt}").touch()
        number += 1
        await ctx.checkpoint(number)
        if number == 4:
            await ctx.compute(until_there, params.folder / "go")
    return Said(text=str(number))


class Hang(Params, kind="test.hang", result=Said, queue="test", retries=QUICK):
    """Block the event loop, the first time."""

    folder: Path


@job(Hang)
async def hang(ctx: JobContext, params: Hang) -> Said:
    if not (params.folder / "blocked").exists():
        (params.folder / "blocked").touch()
        time.sleep(60)  # noqa: ASYNC251 - what must not be done
    return Said(text="did not block")


class OneOfTwo(Params, kind="test.one_of_two", result=Said, queue="test", retries=QUICK):
    """Run as one of two of its key, until a file exists; says how many of all ran at the same time."""

    folder: Path
    key: str

    def limits(self) -> tuple[Limit, ...]:
        return (Limit(f"{self.kind} {self.key}", at_once=2),)


@job(OneOfTwo)
async def one_of_two(ctx: JobContext, params: OneOfTwo) -> Said:
    runs = params.folder / f"runs-{ctx.job_id}"
    runs.touch()
    try:
        await ctx.compute(until_there, params.folder / "go")
        return Said(text=str(len(list(params.folder.glob("runs-*")))))
    finally:
        runs.unlink()


class Paced(Params, kind="test.paced", result=Said, queue="test", retries=QUICK):
    """Be one of two a second."""

    def limits(self) -> tuple[Limit, ...]:
        return (Limit(self.kind, starts=2, per_s=1.0),)


@job(Paced)
async def paced(ctx: JobContext, params: Paced) -> Said:
    return Said(text="paced")


class RetryFor(
    Params,
    kind="test.retry_for",
    result=Said,
    queue="test",
    retries=Retries(tries=1000, first_s=0.1, cap_s=0.1, retry_for_s=1.0),
):
    """Fail for as long as it may."""


@job(RetryFor)
async def retry_for(ctx: JobContext, params: RetryFor) -> Said:
    raise Retryable("not yet", delay_s=0.3)


class Talk(Params, kind="test.talk", result=Said, queue="test", retries=QUICK):
    """Log in every way there is, until a file exists."""

    folder: Path
    lines: int = 0


@job(Talk)
async def talk(ctx: JobContext, params: Talk) -> Said:
    ctx.log(f"by the context, attempt {ctx.attempt}")
    logger.debug("not worth telling")
    logger.warning("by logging", extra={"reads": 7})
    await asyncio.to_thread(logger.error, "in a %s", "thread")
    logging.getLogger("httpx").warning("GET https://host/?api_key=x")
    ctx.log(f"connect to {ctx.settings.redis_url.get_secret_value() if ctx.settings.redis_url else ''}")
    for number in range(params.lines):
        ctx.log(f"line {number}")
    await ctx.compute(until_there, params.folder / "go")
    return Said(text="talked")


class TalkInChild(Params, kind="test.talk_in_child", result=Said, queue="test", retries=QUICK):
    """Log in a child process until a file exists, and before and behind that."""

    folder: Path
    lines: int = 0


@job(TalkInChild)
async def talk_in_child(ctx: JobContext, params: TalkInChild) -> Said:
    ctx.log("before")
    secret = ctx.settings.redis_url.get_secret_value() if ctx.settings.redis_url else ""
    await ctx.compute(log_until_there, params.folder / "go", secret, params.lines)
    ctx.log("behind")
    return Said(text="talked")


class Unserved(Params, kind="test.unserved", result=Said, queue="unserved"):
    """Wait for ever: no worker serves its queue."""


@job(Unserved)
async def unserved(ctx: JobContext, params: Unserved) -> Said:
    return Said(text="")


ALL = (
    say, fail, wait, too_slow, step, eat, read, share, follow, follow_both, follow_on, linger, silent, count, hang,
    one_of_two, paced, retry_for, talk, talk_in_child, unserved,
)  # fmt: skip
JOBS = {one.params.kind: one for one in ALL if isinstance(one, Job)}
PARAMS = {kind: one.params for kind, one in JOBS.items()}
