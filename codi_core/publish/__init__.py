"""A folder of static pages that needs no server: figures and services → HTML that opens from disk.

* `claims`: `claims_page`. What is left of the claims of the field and of the posts, on every model that was published.
* `field`: `field_section`, `field_conditions`. The claims of the field, claims × models, from what is stored.
* `folder`: `publish`, `Published`, `PublishRequest`. The whole folder: which pages there are, what they may weigh, and what made them.
* `heatmaps`: `sweep_page`, `sweeps_page`. Stored sweeps as grids, with every cell's numbers and questions a click away.
* `html`: `Page`, `render`, `table`, `paragraph`, `verdict_mark`, `assets`, `file_name`. One frame for all pages, and the grid
  component with what it needs.
* `prompts`: `prompts`, `prompt_page`, `prompts_page`, `detection_page`. A dozen prompts read through lenses, and how often that is no
  accident.
* `tour`: `tour_page`, `accuracy_table`. The first page: what there is to see, and how often the models are right.
"""
