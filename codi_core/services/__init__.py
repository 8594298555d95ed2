"""One function per thing a person does: names and numbers in, values out. `claims`, `shared` and `sweeps` are packages of their own.

* `ablate`: `EarlyStopRequest`, `early_stop`, `AblateRequest`, `ablate`, `ImportanceRequest`, `importance`, `early_stop_command` …. What
  the latents are needed for: thinking stopped early, latents replaced over an eval set, and latents replaced in one prompt.
* `bundle`: `bundle_condition`, `bundle_eval`, `bundle_lens`, `bundle_sweep`, `save_bundle`. Everything behind a number in one .zip: what
  was asked, what came out row by row, what made it, and a notebook that repeats it.
* `cards`: `ModelCard`, `model_card`. What is known about a model, in values.
* `catalog`: `ModelChoice`, `model_choices`, `download`. Which models one can choose, and whether opening them needs a download.
* `detect`: `DetectRequest`, `detect`, `stored_detection`, `tracked_tokens`. A lens over an eval set: partial readings as they come,
  stored when complete, asked by `evaluation.detection`.
* `differences`: `DifferenceRequest`, `DifferenceReport`, `read_differences`. Difference vectors between indices, read through a lens.
* `doctor`: `Finding`, `examine`, `BROWSERS`. What this installation needs, looked at: each finding with its remedy.
* `effects`: `MAX_CONTROLS`, `evaluate_condition`, `compare_conditions`, `visited`, `Flip`, `flips`. What an intervention does to an eval
  set: partial comparisons as the batches come, stored when complete.
* `evaluate`: `EvalRequest`, `EvalReport`, `evaluate`, `stored_evals`, `shipped_accuracy`. How often a model is right on an eval set, with
  intervals; and whether its answers follow another problem's latents.
* `geometry`: `SPACES`, `GeometryRequest`, `geometry`, `answered_right`, `component_method`, `geometry_command`. How the latents of a
  split lie: principal components against a null, means per index, cosines; components as steering directions.
* `influence`: `InfluenceRequest`, `influence`, `KnockOutRequest`, `knock_out`, `influence_command` …. Who reads whom in one prompt:
  attention, edges cut beside random ones, and the graph of latents.
* `influence_sets`: `InfluenceSetRequest`, `influence_set`, `influence_set_command`. Who reads whom over an eval set, with intervals.
* `inspect`: `InspectRequest`, `Inspection`, `inspect`. One prompt: its answer, and what lenses read in every latent thought.
* `known`: `known`, `Known`. What is known about one prompt: the answer and step values of a problem of ours, also under another ending, or
  what a person gives.
* `lens_contrasts`: `lens_contrast`, `LensContrast`. What a lens is worth in a model and in its control; stored when it was measured.
* `lenses`: `lens_menu`, `training_commands`, `lens_spec`, `train_lens`, `train_jlens` …. Lenses of a model: train one, list them, show
  what they are worth.
* `notebook`: `notebook`, `condition_cells`, `eval_cells`, `lens_cells`, `sweep_cells`. The notebook of a bundle:
  checks its files, counts its numbers, repeats them.
* `passport`: `VerifyRequest`, `verify`, `stored_passport`. Passports: what a checkpoint is, whether it is computed as it is defined, and
  whether it is as good as was published.
* `patch`: `PatchRequest`, `patch`, `patch_command`. Two prompts: a cell of one put in the other.
* `patch_maps`: `PatchMapRequest`, `patch_map`, `patch_map_command`. Every cell of one prompt put at the same cell of another: a map, for
  one pair or for pairs of an eval set.
* `questions`: `QuestionSet`, `read_set`, `groups_of`. The questions of an eval set as they are read: texts, answers, steps, groups, and
  what was left out of a file.
* `received`: `add_bundle`, `Received`, `Part`. Bundles from elsewhere: unpacked beside the cache, every hash and every spec checked, and
  only then taken in.
* `received_lens`: `take_lens`. A lens from elsewhere: its card names the model, its tensors are loaded with ``weights_only``, and no lens
  here gives way to it.
* `rollouts`: `read_prompts`, `write_rollouts`. Rollouts of many prompts, as files others can read: answers.json and latents.npz.
* `selfcheck`: `selfcheck`. Does the engine compute what the model is defined to compute? Asked of the model at hand, on the machine at
  hand.
* `status`: `Status`, `status`. How the server is: who waits, what it holds, what it did.
* `steer`: `SteeredAnswer`, `Steering`, `steer`. One prompt under an intervention, beside the unsteered answer and the same push in a
  random direction.
* `sparse`: `SparseRequest`, `sparse`, `sparse_command`. One cell of one prompt as a sum of few token directions, beside random vectors.
* `tokens`: `PromptTokens`, `prompt_tokens`. A prompt as the model sees it, before anything is run.
* `twins`: `Twin`, `twin_of`. The control of a model: its pause twin, trained as it was but for what its passes are fed. What both show is
  no thought fed back.
* `uploads`: `ENDINGS`, `save_upload`, `eval_set_file`. Files a person brings: kept under the cache by their content, so that a link with
  their name means the same questions.
* `vectors`: `VectorInfo`, `vector_info`, `doses`. The vector itself: how long it is, how stable, and which coefficients make sense.
"""
