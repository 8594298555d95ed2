"""The claims of the field, each measured question by question on any model and judged by its own rule."""

from codi_core.services.claims.claim import FieldClaim as FieldClaim  # what a row of the table is
from codi_core.services.claims.claim import FieldVerdict as FieldVerdict  # of one claim on one model
from codi_core.services.claims.claim import Ruling as Ruling
from codi_core.services.claims.evidence import evidence_keys as evidence_keys  # another tuple: something new is stored
from codi_core.services.claims.measuring import Step as Step
from codi_core.services.claims.measuring import measure as measure  # what claims need, of one model
from codi_core.services.claims.registry import CLAIMS as CLAIMS  # the table
from codi_core.services.claims.verdicts import Table as Table
from codi_core.services.claims.verdicts import judged as judged
from codi_core.services.claims.verdicts import measure_command as measure_command
from codi_core.services.claims.verdicts import verdicts as verdicts  # models x claims, from what is stored
