"""What the API costs and carries: `python -m benchmarks.api`, and each part by itself."""
