"""What the documents quote: ``python -m benchmarks`` writes docs/performance.md, ``python -m benchmarks.lenses`` docs/lenses.md."""
