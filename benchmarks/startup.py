"""`python -m benchmarks.startup [RUNS]`: from `arqsvc up` to the first job accepted, cold once and then warm.

Cold is an empty state folder: PostgreSQL is initialised and the schema made. Warm is the same folder again. "Accepted"
is the 202 to a POST; the clock starts before the process does, so it counts the interpreter and all imports.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGTERM
from statistics import median

import httpx


def start(state: Path) -> tuple[float, float]:
    """Start, upload, submit, stop; return seconds until the job was accepted, and until all had ended after SIGTERM."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "arqsvc", "up", "--port", "0", "--state-dir", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
        assert up.stdout
        up.stdout.readline()
        instance = json.loads((state / "client.json").read_text())
        headers = {"X-API-Key": instance["api_key"]}
        with httpx.Client(base_url=f"{instance['url']}/api/v1", headers=headers, trust_env=False) as http:
            file = http.post("/files?name=x.gb", content=b"LOCUS").json()["id"]
            answer = http.post("/jobs/genomes.analyze", json={"params": {"file_id": file}})
        accepted = time.perf_counter() - began
        assert answer.status_code == 202, answer.text
        told = time.perf_counter()
        up.send_signal(SIGTERM)
        up.communicate()
    return accepted, time.perf_counter() - told


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        cold, _ = start(Path(folder) / "state")
        warm = [start(Path(folder) / "state") for _ in range(runs)]
    print(f"{os.cpu_count()} CPUs, {runs} warm runs; seconds")
    print(f"cold start to first job accepted  {cold:5.2f}")
    for name, values in zip(("warm start to first job accepted", "stop"), zip(*warm, strict=True), strict=True):
        print(f"{name:33} {median(values):5.2f}  (least {min(values):.2f}, most {max(values):.2f})")


if __name__ == "__main__":
    main()
