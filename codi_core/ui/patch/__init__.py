"""The parts of the page Patch.

* `examples`: `PAIRS`, `gallery`. Pairs of prompts to begin with: alike but for their numbers.
* `link`: `Setup`. What the address of the Patch page says.
* `maps`. Every cell patched, over one pair or many: both ways, beside a control.
* `pair`: `Chosen`, `choose`. Two prompts side by side: a cell of one is put in the other, and the answer follows.
"""
