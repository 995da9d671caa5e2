"""A program for each peer, run by the Python of an environment of its own."""
