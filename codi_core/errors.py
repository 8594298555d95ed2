"""Every error a user can meet. The message says what happened, the value, and the fix; screens and the CLI print it as it is."""

from __future__ import annotations


class CodiError(Exception):
    """Base of all expected failures. Anything else that escapes is a defect of ours."""

    field = ""
    """Of the spec that cannot be; a form says so beside it."""


class InputError(CodiError):
    """Something typed is unusable: an empty prompt, a prompt over the limit, a coefficient that is not finite."""


class BudgetError(InputError):
    """One request asks a server for more than its operator lets one take; names the command line that does it."""


class SettingsError(CodiError):
    """What the settings ask for is not to be had here: a backend that is not installed, a cluster nobody answers at."""


class WorkerDied(CodiError):
    """A worker elsewhere died over its work, every time it was tried."""


class WorkerLost(CodiError):
    """A worker elsewhere no longer answers."""


class ModelError(CodiError):
    """A model cannot be named, found, fetched or loaded."""


class CheckpointError(ModelError):
    """A checkpoint's files disagree with the format: missing, unknown or misshapen tensors, a truncated or unsafe file."""


class MemoryLimitError(ModelError):
    """The model or the batch does not fit in the memory of the chosen device."""


class DataError(CodiError):
    """An evaluation set cannot be found or read; names the file and the row."""


class FilesError(CodiError):
    """Files are not what they should be. ``what`` says so, and ``repair`` what whoever keeps them can do, as "delete … and run again"."""

    def __init__(self, what: str, repair: str = "") -> None:
        super().__init__(f"{what}: {repair}" if repair else what)
        self.what, self.repair = what, repair


class LensError(FilesError):
    """A lens does not fit the model, or its files are broken."""


class InterventionError(CodiError):
    """An intervention is impossible or meaningless: a site never consumed, a vector of another model, overlapping splits."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ArtifactError(FilesError):
    """A stored artifact is incomplete or does not match its key."""


class BundleError(CodiError):
    """A bundle cannot be taken in: no bundle, not as it was made, of another spec than it says, or in the way of what is here."""


class Cancelled(CodiError):
    """The work was superseded by a newer request or stopped by the viewer."""


class SweepError(CodiError):
    """Some units of a sweep failed; the others are stored, and the same command tries only these again."""
