"""The claims that are put to the test, in the order of the page: a row here is all that a claim needs to be shown."""

from __future__ import annotations

from codi_core.services.sweeps.claims.best import BEST
from codi_core.services.sweeps.claims.cells import CELLS
from codi_core.services.sweeps.claims.claim import Claim
from codi_core.services.sweeps.claims.falls import FALLS
from codi_core.services.sweeps.claims.like_random import LIKE_RANDOM
from codi_core.services.sweeps.claims.never import NEVER
from codi_core.services.sweeps.claims.one_sign import ONE_SIGN

POST_CLAIMS: tuple[Claim, ...] = (*CELLS, *BEST, *FALLS, *ONE_SIGN, *NEVER, *LIKE_RANDOM)
KINDS: tuple[type[Claim], ...] = tuple(dict.fromkeys(type(claim) for claim in POST_CLAIMS))
"""One a file."""
