"""Numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0.

Our own 60 lines, since `prometheus_client` would cost every start 70 ms, and what we count lies in dicts and in Redis.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import inf

from arqsvc.infra.counts import SUM, Field, Metric, N

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def exposed(metrics: Iterable[Metric], numbers: Mapping[Field, float], *, open_metrics: bool = False) -> str:
    """Return the numbers of these metrics; what belongs to none, as those of another version, is left out.

    >>> print(exposed([Metric("jobs", "Jobs.", ("queue",))], {("jobs", ("a",), "n"): 2}), end="")
    # HELP jobs_total Jobs.
    # TYPE jobs_total counter
    jobs_total{queue="a"} 2
    """
    by_name: dict[str, dict[tuple[str, ...], dict[float | str, float]]] = defaultdict(lambda: defaultdict(dict))
    for (name, labels, part), number in numbers.items():
        by_name[name][labels][part] = number
    lines: list[str] = []
    for metric in metrics:
        suffix = "_total" if metric.type == "counter" else ""
        family = metric.name if open_metrics else metric.name + suffix
        lines += f"# HELP {family} {_escaped(metric.doc)}", f"# TYPE {family} {metric.type}"
        for labels, parts in sorted(by_name[metric.name].items()):
            if len(labels) == len(metric.labels):
                own = [
                    f'{key}="{_escaped(value, quotes=True)}"' for key, value in zip(metric.labels, labels, strict=True)
                ]
                if metric.type == "histogram":
                    lines += _histogram(metric, own, parts)
                elif N in parts:
                    lines.append(_sample(metric.name + suffix, own, parts[N]))
    return "\n".join([*lines, *(["# EOF"] if open_metrics else []), ""])


def _histogram(metric: Metric, labels: list[str], parts: Mapping[float | str, float]) -> Iterator[str]:
    """Yield the lines of one series: its buckets, each with all below it, the sum and the count."""
    buckets = [(end, n) for end, n in parts.items() if isinstance(end, float)]
    for upto in (*metric.buckets, inf):
        within = sum(n for end, n in buckets if end <= upto)
        yield _sample(f"{metric.name}_bucket", [*labels, f'le="{"+Inf" if upto == inf else upto}"'], within)
    yield _sample(f"{metric.name}_sum", labels, parts.get(SUM, 0.0))
    yield _sample(f"{metric.name}_count", labels, sum(n for _, n in buckets))


def _sample(name: str, labels: list[str], number: float) -> str:
    value = int(number) if float(number).is_integer() else number
    return f"{name}{{{','.join(labels)}}} {value}" if labels else f"{name} {value}"


def _escaped(text: str, *, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
