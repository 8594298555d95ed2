"""The parts of the page Claims.

* `confirmed`. What was selected on one split and tested once on another.
* `factorial`. The matched factorial: what removes the difference between steering the KV cache and steering hidden states.
* `field`: `field`, `setup_of`. The claims of the field: one table, models × claims, grouped by source.
* `link`: `Setup`. What the address of the Claims page says.
* `on_grids`: `grid`, `one_claim`. The steps that look at stored sweeps: a grid of all pairs and sites, and one claim after the other.
* `on_latents`: `prompt`, `therefore`, `differences`. The steps that read latents: the posts' first prompt, the words of odd latents, what
  differences say.
* `rules`. How the verdicts are computed, in the words that each kind of claim brings.
* `shown`: `Shown`. What a step of the workflow shows: one computed line, our picture, the way to the live page, and the export of both.
* `steps`: `workflow`. Redo Sprint #3: the experiments of the post series in their order, a step each, on the chosen model.
* `style`: `SIGNS`, `badge`. How claims look: tables and the badge of a verdict.
* `tables`: `latest`. The claims as a table with a verdict in every row, and as one picture.
"""
