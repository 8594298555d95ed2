"""Grids of conditions, cut into units that any process may compute, and the tables they become.

* `local`: `SweepProgress`, `Report`, `Tally`, `complete`, `run_units`, `run_sweep`. The loop every process of a sweep runs: claim a unit
  that nobody has, compute it, keep its part.
* `presets`: `Pair`, `variants`, `SweepPreset`, `SWEEPS`, `sweep_preset`. What can be swept by name: variants of an intervention, and
  grids over them.
* `remote`: `run_units_on`. The units of a sweep on many machines: one thread here for every Ray actor, which claims a unit, has it
  computed there, keeps its part.
* `spec`: `CellId`, `Axes`, `SweepSpec`, `cell_id_of`. A sweep: every condition of a grid, its baselines and its random directions, on one
  model and one eval set.
* `table`: `read_table`, `band_sweeps`, `rows_of`. The table of a sweep: parts put together, statistics of every condition, and reading it
  back.
* `units`: `Unit`, `Part`, `compute_unit`. Units of work: the conditions that run together, their rows, and the parts they are kept in
  until the sweep is complete.
"""
