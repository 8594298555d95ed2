"""What the documents quote: ``python -m benchmarks`` writes docs/performance.md, ``python -m benchmarks.lenses`` docs/lenses.md.

``python -m benchmarks.screen`` times the screen in a browser and writes docs/screen.md.
"""

import codi_core  # noqa: F401  # before torch: it tells OpenMP how to wait, as in every process of the product
