"""What the documents quote: ``python -m benchmarks`` writes docs/performance.md, ``python -m benchmarks.lenses`` docs/lenses.md.

``python -m benchmarks.screen`` times the screen in a browser and writes docs/screen.md.
"""
