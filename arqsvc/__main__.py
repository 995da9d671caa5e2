"""`python -m arqsvc`: the commands of `arqsvc.cli`, guarded because child processes import this module."""


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from arqsvc.cli import commands  # noqa: PLC0415 - a child that imports this module needs no command

    commands()


if __name__ == "__main__":
    main()
