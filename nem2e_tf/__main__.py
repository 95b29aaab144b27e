"""The command `nem2e`, also as `python -m nem2e_tf`."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run `nem2e`; say in a line, with exit status 2, what is not installed."""
    try:
        from nem2e_tf.cli import main as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "nem2e_tf":
            raise
        sys.stderr.write(
            f"error: {error.name} is not installed, and the command nem2e needs it; install what"
            " nem2e-tf depends on: pip install nem2e-tf\n"
        )
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
