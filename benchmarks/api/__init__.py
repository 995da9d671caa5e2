"""What the API carries: `python -m benchmarks.api.streams`, `python -m benchmarks.api.cuts`."""
