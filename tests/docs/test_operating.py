"""docs/operating.md and the dashboard: each query names metrics that there are, with labels that they have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from arqsvc.api.metrics import METRICS
from arqsvc.infra.counts import Metric

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
NAME = re.compile(r"\b(arqsvc_\w+)(?:\{([^}]*)\})?")


def names(metric: Metric) -> Iterator[str]:
    """Yield the names that samples of a metric have."""
    if metric.type == "histogram":
        yield from (f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
    else:
        yield metric.name + ("_total" if metric.type == "counter" else "")


THERE = {name: metric for metric in METRICS for name in names(metric)}


def documents() -> list[dict[str, object]]:
    """Return what the YAML blocks of the page hold."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [found for block in blocks for found in yaml.safe_load_all(block)]


def queries() -> Iterator[str]:
    dashboard = json.loads((ROOT / "docker" / "grafana" / "arqsvc.json").read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    yield from re.findall(r"^ +(?:expr|query): (.*(?:\n {10,}.*)?)", PAGE, re.MULTILINE)
    yield from re.findall(r"`(histogram_quantile.*)`", PAGE)


@pytest.mark.parametrize("query", [*queries()])
def test_a_query_names_what_there_is(query: str) -> None:
    found = NAME.findall(query)
    assert found
    of_these = [THERE[name] for name, _ in found]
    for metric, (_, selected) in zip(of_these, found, strict=True):
        assert {one.partition("=")[0].strip("!~ ") for one in selected.split(",") if one} <= set(metric.labels)
    grouped = {each for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for each in labels.split(", ")}
    assert grouped - {"le"} <= {label for metric in of_these for label in metric.labels}


def test_each_metric_is_documented() -> None:
    for metric in METRICS:
        name = metric.name + ("_total" if metric.type == "counter" else "")
        assert f"| `{name}` | {', '.join(metric.labels)} | {metric.doc} |" in PAGE


def test_the_examples_are_yaml_and_keda_reads_what_scaling_answers() -> None:
    scaled = next(each for each in documents() if isinstance(each, dict) and each.get("kind") == "ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]  # type: ignore[index]
    answer = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
    assert trigger["metadata"]["valueLocation"] in answer
    assert trigger["metadata"]["url"].endswith(f"/api/v1/scaling/{answer['queue']}")
