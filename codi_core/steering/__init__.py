"""Mean latents, directions made from them, and the methods that push a rollout along one: a method is a row of `methods.METHODS`.

* `components`: `principal_components`, `sums_of_squares`, `centred`. Principal components: the directions along which rows vary most.
  Plain linear algebra, no torch.
* `conditions`: `NUMERICS`, `Condition`. A condition: which model answers which questions, steered how. Its key names every number that
  comes out.
* `context`: `BatchContext`, `Directions`. What a method may look at when it becomes tensors: the rows to be steered, and the directions
  it can use.
* `contract`: `DOSES`, `Method`, `Variant`. What a steering method brings. Its one file and its row in `methods.METHODS` are all that a
  new one costs.
* `controls`: `controls`. What an effect is measured against: the same push in directions that mean nothing.
* `edits`: `Edit`, `BatchEditor`, `edit_slots`, `edit_states`. What a method comes down to: at one place of a rollout, ``value ← keep ·
  value + delta``.
* `flags`: `Field`, `fields_of`, `complete`, `flags_of`, `method_of`, `text_of`, `methods_of` …. Methods as flags: a spec's fields are its
  hash identity, its command line and its form at once.
* `hidden`: `Hidden`. Hidden-state steering: add α·v to the latent, before or after the projection, or to the residual stream at a depth.
* `kv`: `KV`. KV-cache steering: add to the keys and values of a latent's slot, which later passes, eot and the answer attend to.
* `limits`: `MAX_COEFFICIENT`, `check_coefficient`, `check_indices`, `check_feeds_back`, `check_layers` …. What every method checks before
  it runs.
* `means`: `LatentSamples`, `collect_samples`, `samples_of`. Latents of a named split, kept question by question: means, differences,
  principal components and controls all come from them.
* `methods`: `METHODS`, `all_zero`. The table of methods: every way to push a rollout. A new one is one file that brings what
  `contract.Method` asks for, and a row here.
* `options`: `Counts`, `Option`. What a person is told about the fields of a spec: label, help, and how a form shows them. Metadata of the
  field, no part of a key.
* `presets`: `Preset`, `PRESETS`. The two experiments of the posts as their code did them, and the same with its flaws corrected.
* `replacement`: `By`, `Replacement`. Replacements: put something else in a latent's place, wholly (coefficient 1) or in part. Controls
  for steering, and ablations.
* `rotary`: `rotation`. Undoing and redoing the rotation of cached keys, so that keys of different positions can be averaged and moved.
* `token`: `TokenEdit`. Token directions: steer towards the output of a token, take it out of a cell, or exchange two tokens there.
* `vectors`: `Sign`, `Control`, `VectorSpace`, `Source`, `Difference`, `Component`, `SOURCES` …. Where a steering direction comes from. A
  new source is one dataclass that brings what `Source` asks for, and one row of SOURCES.
"""
