"""`python -m arqsvc`: the commands of `arqsvc.cli`, guarded because child processes import this module."""


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from arqsvc.cli import commands

    commands()


if __name__ == "__main__":
    main()
