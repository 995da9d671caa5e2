"""What a job costs in this service and in the queues of others: `python -m benchmarks.queue`."""
