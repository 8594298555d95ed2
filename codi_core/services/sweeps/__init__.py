"""Sweeps as a person asks for them: run, stored, ranked in bands, confirmed, and what they say about claims.

* `bands`: `cell_id`, `cells_to_rank`, `cells_at`, `bands_request`. Random bands of a sweep's cells: directions as long as a cell's
  own push, each pushed both ways at its site.
* `confirm`: `confirm_request`. The winners of a sweep, to be tested once on other questions.
* `factorial`: `Factor`, `factorial`, `Confirmed`, `confirmations`. What sets KV steering apart from hidden-state steering, factor by
  factor; and whether what was selected holds on other questions.
* `in_processes`: `run_in_processes`. A sweep in several processes of this machine: each runs the same loop over the units, this one
  watches the parts appear.
* `job`: `resolve`, `means_request`. A sweep's request with everything looked up that it names.
* `on_ray`: `sweep_on_cluster`. Sweeps on Ray actors. This process loads no model.
* `run`: `sweep`, `measure_bands`. A sweep run to its end, wherever the settings say: in this process, in several of this machine, or on
  Ray actors.
* `stored`: `stored_sweeps`, `read_sweep`, `cell_questions`, `changed_questions`, `cell_outcomes`, `only_form_of`, `grouping_of`,
  `cell_request`, `Agreement`, `recheck`. Stored sweeps: read, opened question by question, and compared with the model once more.
"""
