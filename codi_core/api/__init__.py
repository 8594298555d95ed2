"""CODI Explorer from Python: `load` a `Model`, let it `think`, `steer` it, `evaluate` and `compare`; `sweep` grids, test `claims`.

A door to the services, with no logic of its own: the same request gives the same numbers here, on a page and on the command line.

* `model`: `load`, `Model`, `condition_of`. A model by the name that the pages know it by, and what one can ask of it.
* `results`: `Thought`, `LensReading`, `Steered`, `Patched`, `Influences`. What comes back of a prompt: a frozen ``value`` that can be shown
  in a notebook (``_repr_html_``), taken on as a table (``to_pandas``) and drawn (``figure``).
* `measured`: `Effect`, `Accuracy`, `Sweep`, `FieldClaims`, `Claims`. The same of many questions, with n and intervals.
* `progress`: `shown`. How far long calls are.
* `stored`: `sweep`, `claims`. Grids of conditions and what is stored says about the claims of the field and of the posts.
"""

from codi_core.api.measured import Accuracy as Accuracy
from codi_core.api.measured import Claims as Claims
from codi_core.api.measured import Effect as Effect
from codi_core.api.measured import FieldClaims as FieldClaims
from codi_core.api.measured import Sweep as Sweep
from codi_core.api.model import Model as Model
from codi_core.api.model import condition_of as condition_of
from codi_core.api.model import load as load
from codi_core.api.results import Influences as Influences
from codi_core.api.results import LensReading as LensReading
from codi_core.api.results import Patched as Patched
from codi_core.api.results import Steered as Steered
from codi_core.api.results import Thought as Thought
from codi_core.api.stored import claims as claims
from codi_core.api.stored import sweep as sweep
from codi_core.services.shared.requests import MeansRequest as MeansRequest
