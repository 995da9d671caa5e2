"""The numbers of a genome: pure functions for the child process, paths in, values out."""
