"""`python -m pipeline.simulator`: the same as `pipeline simulate`."""

import sys

from pipeline.cli.main import main

main(["simulate", *sys.argv[1:]])
