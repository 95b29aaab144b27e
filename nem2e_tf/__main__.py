"""The command `nem2e`, also as `python -m nem2e_tf`."""

import sys
from typing import NoReturn

from nem2e_tf.errors import missing_dependency


def main() -> NoReturn:
    """Run `nem2e`; one line and exit status 2 where its dependencies are not installed."""
    try:
        from nem2e_tf.cli import main as run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "nem2e_tf"):
            raise
        sys.stderr.write(f"error: {missing_dependency(package)}\n")
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
