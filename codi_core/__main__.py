"""``python -m codi_core``"""

import os
import sys
from typing import TextIO, cast

from codi_core.cli import main

for stream in (sys.stdout, sys.stderr):
    cast("TextIO", stream).reconfigure(errors="replace")  # type: ignore[attr-defined]  # an ASCII terminal gets ? for ·
try:
    code = main()
    sys.stdout.flush()
except BrokenPipeError:  # the reader, head say, has seen enough
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 1
sys.exit(code)
