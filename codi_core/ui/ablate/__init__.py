"""The parts of the page Ablate.

* `captions`. What the views of the Ablate page share: the questions, the whole condition in a line, and the way to the command line.
* `early`. Early stop: what the answers are worth after 0, 1, … passes.
* `link`: `VIEWS`, `Setup`. What the address of the Ablate page says.
* `prompt`. One prompt: how much of its answer hangs on each latent, by putting other latents in its place.
* `sites`. Every latent replaced in turn, over an eval set: a map of what each is needed for; the chosen one opens on the Steer page.

* `captions`. What the views of the Ablate page share: the questions, the whole condition in a line, and the way to the command line.
* `early`. Early stop: what the answers are worth after 0, 1, … passes.
* `link`: `VIEWS`, `Setup`. What the address of the Ablate page says.
* `prompt`. One prompt: how much of its answer hangs on each latent, by putting other latents in its place.
* `sites`. Every latent replaced in turn, over an eval set: a map of what each is needed for; the chosen one opens on the Steer page.
"""
