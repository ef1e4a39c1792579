"""The command ``backbeat``, and ``python -m backbeat``."""

import signal
import sys


def main() -> None:
    """Run the command line; Ctrl-C gets no traceback while it loads or ends, either."""
    try:
        from backbeat.cli import main as run

        run()
    except KeyboardInterrupt:
        print("backbeat: stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
