"""What long work calls while it runs: whether to go on, and how far it is."""

from __future__ import annotations

from collections.abc import Callable

CheckCancelled = Callable[[], None]
"""Called between steps by whoever does the work; raises Cancelled once nobody wants the result any more."""
OnWait = Callable[[], None]
"""Called while somebody waits for a result; may raise to leave, which cancels the work."""
OnProgress = Callable[[int, int], None]
"""(done, total), called by whoever does the work or waits for it."""
