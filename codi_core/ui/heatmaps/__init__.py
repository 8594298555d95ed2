"""The parts of the page Heatmaps.

* `bundle`. Everything behind a sweep, or behind one of its cells, in one .zip.
* `calls`. Stored sweeps as the pages call them. Reading them needs no model.
* `captions`. Sentences about a stored sweep: the whole condition of the numbers on screen, and what a cell says.
* `cell`. The chosen cell of a sweep: its numbers, the questions it changed, its command line, and the way to run it live.
* `choice`: `Choice`. Which stored sweep is looked at, and how: every choice is in the URL.
* `link`: `Setup`, `key_of`. What the address of the Heatmaps page says.
* `views`. The chosen view of a sweep: grids one can click, or figures; each with its export.

* `bundle`. Everything behind a sweep, or behind one of its cells, in one .zip.
* `calls`. Stored sweeps as the pages call them. Reading them needs no model.
* `captions`. Sentences about a stored sweep: the whole condition of the numbers on screen, and what a cell says.
* `cell`. The chosen cell of a sweep: its numbers, the questions it changed, its command line, and the way to run it live.
* `choice`: `Choice`. Which stored sweep is looked at, and how: every choice is in the URL.
* `link`: `Setup`, `key_of`. What the address of the Heatmaps page says.
* `views`. The chosen view of a sweep: grids one can click, or figures; each with its export.
"""
