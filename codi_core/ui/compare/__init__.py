"""The parts of the page Compare.

* `link`: `Setup`. What the address of the Compare page says: up to four pinned states.
* `states`: `State`, `read`. A pinned state as something to look at: its answer, its lens grid, what made it.
* `tray`: `MOST`, `pin`, `pin_button`, `pinned`. The tray: states of Inspect and Steer that are to be seen side by side.
* `views`: `show`. The pinned states beside each other on one scale, the difference to the first, and one export.
"""
