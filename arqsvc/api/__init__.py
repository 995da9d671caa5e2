"""HTTP and WebSocket: knows kinds and parameters, never how a job runs."""
