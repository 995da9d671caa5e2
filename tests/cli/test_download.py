"""`arqsvc download`, and what stops it at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.cli.program import Program
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror(Records.packaged()) as mirror:
        yield mirror
        assert mirror.over_budget() == {}


async def test_a_file_is_written_under_the_name_that_a_person_expects(program: Program, mirror: Mirror) -> None:
    code, out, err = await program.run("download", "nc_000932", "--out", "genomes", **mirror.environment)
    assert (code, out.splitlines()[-1]) == (0, "genomes/NC_000932.1.gb"), err
    assert [path.name for path in (program.home / "genomes").iterdir()] == ["NC_000932.1.gb"]
    assert (program.home / "genomes" / "NC_000932.1.gb").read_bytes().rstrip().endswith(b"\n//")


async def test_what_is_no_genome_is_told_where_it_belongs_before_anything_starts(program: Program) -> None:
    for accession, words in {
        "NP_414542.1": "is a protein",
        "SRR390728": "is a sequencing run",
        "hello": "is not an accession",
    }.items():
        code, out, err = await program.run("download", accession)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert accession in err
        assert words in err
    assert not program.state.exists()


@pytest.mark.parametrize("options", [(), ("--no-progress",)])
async def test_without_a_network_it_says_so_while_it_tries_again(program: Program, options: tuple[str, ...]) -> None:
    nowhere = {"ARQSVC_EUTILS_URL": "http://127.0.0.1:9/eutils"}
    process = await program.start("download", "NC_000932.1", *options, **nowhere)
    assert process.stderr
    try:
        async with asyncio.timeout(60):
            while b"cannot be reached" not in (line := await process.stderr.readline()):
                assert line
        assert b"waits until" in line
        assert b"127.0.0.1:9" in line
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SSL_CERT_FILE", "/nonexistent", "SSL_CERT_FILE"),
        ("HTTPS_PROXY", "nonsense://", "HTTPS_PROXY"),
        ("ARQSVC_EUTILS_URL", "ftp://x", "ARQSVC_EUTILS_URL"),
        ("ARQSVC_NCBI_EMAIL", "nobody", "ARQSVC_NCBI_EMAIL"),
    ],
)
async def test_a_wrong_variable_stops_it_at_once(program: Program, name: str, value: str, words: str) -> None:
    code, _, err = await program.run("download", "NC_000932.1", **{name: value})
    assert (code, len(err.splitlines())) == (2, 1), err
    assert words in err
