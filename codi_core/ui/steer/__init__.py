"""The parts of the page Steer.

* `answers`. Baseline | Steered | Random control: what the prompt is answered.
* `calls`. Steering services as the page calls them.
* `captions`: `condition`, `measured`, `exported`. Sentences about steering: the whole condition of what is on screen.
* `dial`: `Dose`, `dial`, `scale`. The coefficient: slider, box, buttons, the suggested range and the results that are stored.
* `effect`. The eval set under the condition: bars that narrow batch by batch, the verdict, what was fixed and broken, and the curve so
  far.
* `form`. The intervention as a form: the fields of its spec as they describe themselves; every change is written to the URL.
* `lens`. Baseline | Steered | Difference: what the lens reads in every latent, with the place of the edit and what it can reach.
* `link`: `Setup`. What is steered, as the URL says it: one readable text for the intervention, and a few names and numbers around it.
* `live`. What the coefficient does: dial, readout and verdict in the cockpit, and below it lens grids, three answers, and the eval set.
* `matrix`: `Swept`, `swept`, `has_pair`, `matrix`. A ▸ B as a grid to choose from, coloured by what a stored sweep found at this index.
* `measured`. What the intervention is measured on: eval set, means, baseline, controls; every change is written to the URL.
* `readout`. Answer | accuracy | random directions: what a push does, at a glance.
* `style`. Looks of the Steer page alone.
"""
