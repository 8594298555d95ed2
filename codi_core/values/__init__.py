"""Frozen values that cross layers: numpy arrays, strings and numbers. Torch tensors stop at `services`.

Axes: ``index`` 0..n (0 = bot, k = pass k); ``depth`` 0..L (0 = embeddings, d = residual after block d, before the final norm);
``layer`` 0..L-1 for the KV cache; ``d_model``; ``kv_head``; ``d_head``; ``k`` (rank among the top tokens); ``m`` (tracked token).

* `arrays`: `Floats`, `Ints`. Names for numpy arrays in values; their docstrings give the axes (see the package).
* `callbacks`: `CheckCancelled`, `OnWait`, `OnProgress`. What long work calls while it runs: whether to go on, and how far it is.
* `evals`: `Outcome`, `Mode`, `EvalSpec`, `EvalRow`, `EvalRun`, `ScoredRun`, `Controls` …. Answers, their outcomes, and what an
  intervention does to them.
* `influence`: `Influence`, `Maps`, `Graph`, `KnockOut`, `InfluenceSet`, `ROLES`, `SHARES`, `METRICS`, `SUMMARIES`, `summarised` …. Who
  reads whom: attention of passes and answer, edges cut, and the graph of latents.
* `latents`: `PassPoint`, `PassCurve`, `AblationSite`, `AblationMap`, `LatentImportance`, `PromptImportance`, `GeometrySpace` …. What
  latents are needed for and how they lie.
* `lens`: `LensGrid`, `TrackedToken`, `LensCard`, `LensOption`, `DifferenceGrid`, `DetectionSpec`, `LensReadings` …. What lenses read, and
  what is known about a lens.
* `model`: `PromptFormat`, `RunMode`, `RopeRounding`, `ModelSpec`, `LedgerEntry`, `RolloutConfig`, `TopToken` …. Models and what they
  answer.
* `outcomes`: `Outcomes`, `OnlyForm`. What became of answers, counted: five kinds that add up to all of them.
* `passport`: `Published`, `Check`, `PassportSpec`, `Passport`. What is known of published checkpoints, what was found about one on a
  machine, and whether the two agree.
* `patching`: `Place`, `Patch`, `place_of`, `PatchedPair`, `PatchMap` …. Two-prompt patching: what is taken from one prompt, where it is
  put in another, and what the answer makes of it.
* `questions`: `Answer`, `AnswerRule`, `question_digest`, `Question`, `EvalSetSpec`. Questions and the sets they come from.
* `reach`: `Reach`, `reach`. Where an edit acts and what it can change.
* `signs`: `decimal`. Numbers with a sign as text: the one place where a minus is written.
* `sparse`: `SparseReading`. A latent as a sum of few token directions.
* `stats`: `Clusters`, `Share`, `PairedComparison`, `Estimates`, `Estimate`. Statistics as values: shares, estimates and comparisons with
  their intervals.
* `sweep`: `SweepTable`, `Against`, `Reading`, `Key`, `Row`, `Grid`, `site_name` …. A stored sweep as a value, and its cells found by what
  they are called.
* `table`: `table_csv`. Tables that leave the house.
* `vectors`: `Space`, `MeansSpec`, `MeanLatents`, `DifferenceVector`. Mean latents and the directions between them.
* `verdict`: `ALPHA`, `OUTSIDE`, `ENOUGH`, `Band`, `percentiles`, `Verdict`, `direction_of` …. What the numbers of one comparison allow to
  say: a value, and the one place where it is put into words.
"""
