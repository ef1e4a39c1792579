"""``python -m backbeat``."""

from backbeat.cli import main

main()
