"""What is lost and what is done twice while everything is killed: `python -m benchmarks.chaos`."""
