"""The body of a batch, read piece by piece."""

import json
import random
from itertools import product
from typing import Any

import pytest

from arqsvc.api import batch_body
from arqsvc.api.batch_body import Turns, read_batch
from arqsvc.errors import InvalidParams, TooLarge

LIMIT = 200
"""Characters that a job may have here."""


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_body, "WINDOW", 64)
    monkeypatch.setattr(batch_body, "BODY_LIMIT_BYTES", LIMIT)


def some_value(choose: random.Random, depth: int = 0) -> Any:
    size = choose.randrange(4)
    makes: list[Any] = [
        lambda: choose.choice([None, True, False, "", 0, -1.5e-7, 10**20, 1.0]),
        lambda: "".join(choose.choices('a"\\\n\u00e5\U0001f600', k=choose.randrange(20))),
        lambda: [some_value(choose, depth + 1) for _ in range(size)],
        lambda: {str(n): some_value(choose, depth + 1) for n in range(size)},
    ]
    return choose.choice(makes[: 2 if depth > 2 else 4])()


async def test_it_is_read_as_one_text_would_be() -> None:
    for seed in range(500):
        await read_as_one(random.Random(seed))


async def read_as_one(choose: random.Random) -> None:
    jobs = [some_value(choose) for _ in range(choose.randrange(1, 30))]
    indent, plain = choose.choice([None, 1, 20]), choose.choice([True, False])
    text = json.dumps({"jobs": jobs, "atomic": True}, indent=indent, ensure_ascii=plain)
    longest = max(len(json.dumps(job, indent=indent, ensure_ascii=plain)) for job in jobs)
    try:
        batch = await read_batch(text.encode(), Turns())
    except TooLarge:
        assert indent or longest > LIMIT
    else:
        assert ([job for job, _ in batch.jobs], batch.atomic) == (jobs, True)
        assert indent or longest <= LIMIT
    cut = text[: choose.randrange(1, len(text))]
    with pytest.raises((InvalidParams, TooLarge)):
        await read_batch(cut.encode(), Turns())


async def test_a_job_is_as_long_as_it_may_be_and_no_longer() -> None:
    for value, length in product(("[{}]", '"{}"', "{}"), (LIMIT - 1, LIMIT, LIMIT + 1)):
        await as_long(value, length)


async def as_long(value: str, length: int) -> None:
    long = value.format("1" * (length - len(value) + 2))
    for text in (f'{{"jobs": [{long}]}}', f'{{"jobs": [1, {long}, {"2, " * 90}3]}}'):
        if length <= LIMIT:
            assert len((await read_batch(text.encode(), Turns())).jobs) in {1, 93}
        else:
            with pytest.raises(TooLarge, match="longer than a submission"):
                await read_batch(text.encode(), Turns())


async def test_nothing_in_it_is_longer_than_a_job() -> None:
    for begin in ('{"jobs": [[', '{"jobs": ["', '{"atomic": [', '{"'):
        with pytest.raises(TooLarge):
            await read_batch((begin + "[]," * LIMIT).encode(), Turns())


async def test_no_more_is_read_than_a_batch_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_body, "MOST_JOBS", 3)
    assert len((await read_batch(b'{"jobs": [{}, {}, {}]}', Turns())).jobs) == 3
    with pytest.raises(InvalidParams, match="this has more"):
        await read_batch(b'{"jobs": [{}, {}, {}, {}, and what is no JSON', Turns())


async def test_what_is_no_json_is_said_where_it_stands() -> None:
    for wrong in ("[1 2]", "tru", '"\\x"', "[1,]", "{1: 2}", '"\n"', "nan"):
        text = '{"jobs": [' + "3, " * 100 + wrong + ", 3" * 100 + "]}"
        with pytest.raises(InvalidParams, match=r"The body is not JSON: .*char 3[01]\d"):
            await read_batch(text.encode(), Turns())
