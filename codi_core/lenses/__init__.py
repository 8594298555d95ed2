"""Reading the residual stream: a lens is a row of `registry.LENSES`.

* `base`: `Lens`. What a lens is: a map from the residual stream at some depth to where the final norm would read it.
* `cards`: `lens_folders`, `lens_home`, `lens_cards`, `lens_folder`, `own_card`, `saved_lens`. Where trained lenses lie, and the card
  that says which checkpoint each belongs to and what its files are.
* `detection`: `target_names`, `read_questions`, `joined`. Reads a lens in the latents of many questions: which tokens it finds where, and
  how likely the values of the reasoning steps are.
* `differences`: `Sign`, `difference_grid`, `pairs`, `cosine_matrix`. Reading differences of mean latents: what a direction from one index
  to another means in words, and how directions relate.
* `fitted`: `jacobian_lenses`. From summed Jacobians to lenses with cards.
* `fitting`: `JacobianSpec`, `Sums`, `fit`, `merged`, `jacobians`. Fitting J-lenses: the Jacobians of many rollouts, one by one, summed.
* `jacobian`: `Variant`, `parse_variant`, `JacobianLens`, `save_jacobian`. The J-lens: a residual is moved to the last depth by the mean
  Jacobian between the two, then unembedded (Gurnee et al. 2026).
* `judging`: `judge`, `judge_each`. What a lens is worth on questions it was not made from.
* `latents`: `Progress`. Residuals of many questions, for training and judging lenses: at the latents, or at the positions of the prompt's
  text.
* `logit`: `LogitLens`. The logit lens: every depth is read as if it were the last (nostalgebraist, "interpreting GPT: the logit lens",
  2020).
* `readout`: `read_lens`, `lens_grid`. From residuals to what a person looks at. Full-vocabulary arrays never leave the device, and live
  one chunk at a time.
* `registry`: `DEFAULT_LENS`, `LENSES`, `kind_of`, `load_lens`, `lens_options`. Every kind of lens by name. A new one is one file and one
  row of LENSES: menus, command line, services and tests read the rows.
* `relations`: `relations`. Which numbers in a grid mean something in a problem: its values, its operands, and simple relations of its
  values.
* `sparse`: `dictionary`, `decompose`, `random_shares`. A residual as a sum of few token directions: nonnegative orthogonal matching
  pursuit, as TransformerLens has it for J-lenses (#1596).
* `tracked`: `track`. From what a person wants to follow to token ids.
* `training`: `LensTrainSpec`, `parse_indices`, `train_translators`. Training tuned lenses: translators learn to make every depth predict
  the model's true output (KL), in float32, on many latents.
* `tuned`: `save_lens`, `load_tuned`. The tuned lens (Belrose et al. 2023, arXiv 2303.08112): one affine translator per depth below the
  last, in tuned-lens' own format.
"""
