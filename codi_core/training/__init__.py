"""The bundled models from scratch.

* `batches`: `MAX_STEPS`. Training batches: problems of similar length together, tokens padded, all from a seed.
* `drill`: `drill`. Bare equations: the arithmetic of the problems without the stories, several times cheaper a piece.
* `recipe`: `Losses`, `Student`, `fork`, `forward`, `grow`, `think`, `drill_loss` …. The loss of CODI (arXiv 2502.21074), answer-only
  variant, and SIM-CoT's step supervision (arXiv 2509.20317) as an option.
* `run`: `TRAIN_PRESETS`, `train`. Trains a bundled model from scratch: seeded, resumable, written in the public checkpoint format.
* `tokenizer`: `train_tokenizer`, `token_id`, `save_tokenizer`. The bundled tokenizer: byte-level BPE trained on our problems, numbers
  0–999 as single tokens, any text accepted.
"""
