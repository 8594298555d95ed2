"""Answers to outcomes to statistics; eval sets prepared once, so that a condition recomputes only what it reaches.

* `attention_maps`: `maps_of`, `whole`, `lengths_written`, `rollout`. Attention of a whole sequence: as it is, by what is written of a key,
  and rolled out through all layers and passes.
* `components`: `shuffled_shares`, `retained`, `variance_shares`, `half_agreement`, `cosines`. How many principal components of latents are
  more than noise, how sure their shares are, and how latents point. No torch.
* `contrast`: `contrast`. A model beside its control: any map of question-wise values, the difference of the two with its paired interval.
* `detection`: `Subset`, `detection_map`, `aligned_detection`, `token_set`, `mean_entropy`, `mean_probability`. Questions asked of what a
  lens read over an eval set: where is a value found, against chance, and with what certainty.
* `donors`: `Patch`, `patches_of`, `SwapRow`, `choose_donors`, `swap`. Donor swap: the latents of another problem patched in. Does the
  answer follow the latents or the prompt?.
* `effects`: `Pair`, `effect_of`, `beside`, `outcomes_of`. From the answers under a baseline and under a condition to what the
  condition does, in numbers and as a verdict.
* `evals`: `run_eval`, `check_questions`. Runs an eval set through a model: every question answered, every answer an outcome.
* `golds`: `Gold`, `gold_of`, `answered`. The gold answer as the tokens a model would write.
* `influence`: `Prompts`, `rolled_out`, `shuffled`, `attention`, `masses`, `total_effects`, `direct_effects`, `answers_under` …. Attention
  of passes and answer, edges cut before the softmax, and what one latent does to the later ones.
* `outcomes`: `outcome_of`, `spells_out`, `counted`, `only_form`. From an answer to its outcome. Unparsed and truncated answers are
  outcomes of their own, not just wrong.
* `pairs`: `pick_pairs`, `as_pairs`, `template_means`. Which questions are patched into which: alike in wording and length, answered
  right, with another answer (or the same).
* `patching`: `Pair`, `PairSet`, `Patched`, `recovery`, `follows`, `random_alike`, `cells_of`. Patching between prompts: cells of a
  source's rollout put in a target's, and how far the answer goes over.
* `prepared`: `plan_of`, `PreparedSet`. Eval sets prepared once: prompts and latents rolled out and kept, so that a condition recomputes
  only what its edits reach.
* `probe`: `Trace`, `Probe`. One question under a few conditions, with residuals: what the steering page shows of a prompt.
* `rolled`: `Plan`, `Rolled`, `roll_out`. Prompts rolled out once, from which conditions fork.
* `sequences`: `Heard`, `listen`. What a cache would answer, and how likely some given answers are there.
* `speculative`: `Draft`, `Answered`, `verify_draft`. Greedy answers by checking a draft: one forward pass over eot and the draft, then
  decoding only where a row disagrees.
* `stats`: `Array`, `estimate`, `compare`, `mcnemar`, `share`, `max_statistic`, `holm` …. Statistics of right and wrong answers. Questions
  of one template, or of one triple, stand or fall together: nothing here forgets that.
"""
