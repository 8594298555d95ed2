"""``python -m codi_core``, and the command ``codi`` of an installed package."""

import os
import sys
from typing import TextIO, cast


def run() -> int:
    try:
        from codi_core.cli import main
    except KeyboardInterrupt:  # so soon that nothing has begun
        return 130
    for stream in (sys.stdout, sys.stderr):
        cast("TextIO", stream).reconfigure(errors="replace")  # type: ignore[attr-defined]  # an ASCII terminal gets ? for ·
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, head say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(run())
