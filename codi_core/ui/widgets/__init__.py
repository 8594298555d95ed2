"""What pages share: grids, menus, exports, pickers that live in the address.

* `announce`: `announce`. What changed, said to those who do not see it: a live region that outlives every repaint.
* `component`: `component`, `event`. Our own Streamlit components (v2): one `.js` and one `.css` file each, inlined, no build step.
* `control`: `param`, `chosen`. “Beside its control”: whether a page shows the same of the model's pause twin, and the difference.
* `eval_choice`: `MOST`, `EvalChoice`. Choosing questions: an eval set by name or a file of one's own, and how many of them; the same
  picker on every page.
* `export`: `export_menu`, `chart`. One menu to take a figure away, with the numbers behind it and what made them.
* `flips`: `flip_table`. A table of the questions that a condition fixed or broke; a row can be chosen.
* `glossary`: `glossary`, `explained`, `marked`. Words with the sentence that docs/glossary.md has on them, as a tooltip.
* `heatgrid`: `heatgrid`, `draw`. The grid on the page: a Streamlit component (v2, inline, no build step) with
  full-cell clicks, arrow keys, hover and ARIA.
* `lens_card`: `lens_card`. The lens card: how near a trained lens comes to the model's output on questions it never saw, beside the logit
  lens.
* `lens_choice`: `LensChoice`. Which lenses are read, `lens=` in the URL by their names, and what is to be known about them.
* `linked`. Widgets whose value is in the URL: each shows what the URL says, whoever wrote it, and writes what is chosen there.
* `outcome`: `badge`. Whether an answer is right, in a word or two beside it.
* `outcome_bars`: `Bar`, `outcome_bars`, `bars_html`. Accuracies with what became of all other answers: one stacked bar each, on one
  scale.
* `own_gold`: `own_gold`, `given`. The right answer of a prompt, and the values of its steps, as a person gives them; `gold=` and
  `steps=` in the URL.
* `passes_choice`: `MOST`, `param`, `of`, `choose`, `small`. How many latent passes are run: `passes=` in the address, and without it as
  many as the chosen model was trained with.
* `plot`: `plot`. A chart with a name that screen readers read: Plotly draws one that has none.
* `promptbox`: `prompt_box`, `urgent_prompt_box`, `empty_prompt`, `replace_prompt`. The prompt: a text box whose tokens are shown while one
  types, as the model will see them.
* `ranking`: `ranking`. The likeliest tokens somewhere, as a list one can click.
* `table`: `wide`, `rows_table`. Small tables as HTML, which scroll inside themselves where the page is narrow, with keys as well.
* `verdict`: `sentence`, `facts`, `flips`, `gold_margin`, `how_sure`, `sure`. What the numbers allow to say, first in one sentence; and how
  sure it is, for those who ask.
"""
