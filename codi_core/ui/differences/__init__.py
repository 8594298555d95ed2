"""The parts of the page Differences.

* `link`: `Setup`. What the address of the Differences page says.
* `views`. A × B: difference vectors read by a lens, one of them in full, and how all of them lie to each other.

* `link`: `Setup`. What the address of the Differences page says.
* `views`. A × B: difference vectors read by a lens, one of them in full, and how all of them lie to each other.
"""
