"""Values to plotly figures and tables: no torch, no streamlit, no services.

* `ablate`: `KINDS`, `SPACES`, `Measure`, `MEASURES`, `pass_table`, `ablation_table`. What the latents are needed for, in pictures:
  accuracy over passes, and a map of replaced latents.
* `claims`: `Mark`, `forest`. The claims as one picture: every effect with its interval, in both readings; and the matched factorial.
* `contrast`: `contrast_panel`, `contrast_sentence`, `contrast_table`. A model's map minus that of its control: every cell with its paired
  interval, and the map in one sentence.
* `data`. What an eval set is made of: its answers, its steps, its lengths.
* `detect`: `COLOURS`, `DASHES`. Detection over an eval set: shares by layer and index, curves over k and over indices, with their
  intervals.
* `differences`: `By`, `BY`, `Pair`, `ABREAST`. Difference vectors between indices in pictures: what a lens reads in each of them, their
  lengths, and how they lie to each other.
* `geometry`: `COLOUR_BY`, `component`, `component_table`, `cosine_table`. How latents lie, in pictures: a scatter along principal
  components, the scree against its null, cosines of the means.
* `grids`: `panel_grid`, `sweep_grid`, `colours`, `legend_of`. Grids in the terms of the component that draws them: on a page of the app,
  and on a static one.
* `importance`: `importance_table`. One prompt taken apart, in pictures: its latents as bars, every draw a dot.
* `influence`: `attention_panel`, `mass_panel`, `graph_panel`, `above_panel`, `numbers_table`, `summary_table`, `edges_table` …. Who reads
  whom, in pictures.
* `lens`: `MEASURES`, `OF_A_TOKEN`, `layer_axis`, `heatmap`, `measured`, `trajectories`, `lens_table` …. Lens grids as figures and tables.
* `lens_card`: `MEASURES`, `card_panels`, `card_table`. What a trained lens is worth, index by index and depth by depth, beside the logit
  lens on the same held-out questions.
* `paint`: `ColourBy`, `COLOUR_BY`, `TARGETED`, `Paint`, `paint`, `amounts`. From numbers to colours: what a grid shows, on which scale,
  and in which ink its text stays readable.
* `panels`: `Panel`, `token_panel`, `difference_panel`, `marks_legend`. A grid as it is shown, cell by cell: the same panel feeds the
  component on the page and the exported figure.
* `patching`: `recovery_panel`, `map_table`, `pair_table`, `effect_words`. Two-prompt patching in pictures: recovery at every index and
  depth, and one patch in words and numbers.
* `provenance`: `write_below`, `of_sweep`. What made a figure, written below it: in as many lines as it needs, never cut.
* `stand_alone`: `stand_alone`, `traces_table`. A chart that leaves the page: with its title and what made it, and its numbers as a table.
* `sparse`: `sparse_words`. A sum of token directions in words.
* `steer`: `change_panel`, `dose_response`, `effects_table`. Steering in pictures: what an edit can reach, what it changed,
  and the effect against the coefficient.
* `sweep_curves`. Curves and clouds of a stored sweep: dose and response with the random band, marginals per A and per B, both signs
  against each other.
* `sweeps`: `MEASURES`, `CORRECTIONS`, `ViewOptions`, `SweepPanel`, `by_site`, `by_pair`, `by_variant` …. A stored sweep as grids: pair ×
  site, A × B at one site, pair × variant.
* `text`: `glyphs`, `short`, `percent`, `number`, `position`. Tokens and numbers as text for a screen: nothing invisible, nothing that
  turns the line around.
* `token_lines`: `token_lines`, `spread`. Every tracked token's way through one index and one depth: lines with their names at the end.
* `training`: `learning_curve`. The learning curve of a checkpoint trained by this project.
"""
