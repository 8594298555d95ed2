"""The claims of the posts, each with its statistic and rule, put to the test on stored sweeps."""

from codi_core.services.sweeps.claims.cells import HELPFUL as HELPFUL  # pairs that the posts found to help, by coefficient
from codi_core.services.sweeps.claims.cells import claimed_cells as claimed_cells  # of a sweep: those that single claims are about
from codi_core.services.sweeps.claims.claim import Claim as Claim  # what a row of the table is
from codi_core.services.sweeps.claims.claim import Family as Family  # the sweep it needs
from codi_core.services.sweeps.claims.claim import Rule as Rule  # its statistic and verdicts in words
from codi_core.services.sweeps.claims.claim import Ruling as Ruling  # reproduced, not reproduced, reversed, not testable
from codi_core.services.sweeps.claims.claim import Tested as Tested  # a claim in one reading against one baseline
from codi_core.services.sweeps.claims.claim import View as View
from codi_core.services.sweeps.claims.evidence import Evidence as Evidence  # a stored sweep with who was right
from codi_core.services.sweeps.claims.evidence import PerQuestion as PerQuestion
from codi_core.services.sweeps.claims.evidence import baseline_of as baseline_of
from codi_core.services.sweeps.claims.evidence import estimate as estimate  # the one estimator: mean, interval, p
from codi_core.services.sweeps.claims.evidence import evidence as evidence  # reads a stored sweep
from codi_core.services.sweeps.claims.evidence import mean_right as mean_right
from codi_core.services.sweeps.claims.evidence import place_of as place_of  # of a cell among random directions of its own length
from codi_core.services.sweeps.claims.findings import ADJUSTED as ADJUSTED  # how p is adjusted, in words
from codi_core.services.sweeps.claims.findings import COMBINATIONS as COMBINATIONS
from codi_core.services.sweeps.claims.findings import SETTINGS as SETTINGS  # presets of sweeps by setting and family
from codi_core.services.sweeps.claims.findings import Finding as Finding  # a claim with its verdict
from codi_core.services.sweeps.claims.findings import findings_of as findings_of
from codi_core.services.sweeps.claims.findings import latest as latest  # sweep of a preset
from codi_core.services.sweeps.claims.findings import stored_findings as stored_findings  # of a model's newest sweeps
from codi_core.services.sweeps.claims.registry import KINDS as KINDS  # its kinds, one a file
from codi_core.services.sweeps.claims.registry import POST_CLAIMS as POST_CLAIMS  # the table
