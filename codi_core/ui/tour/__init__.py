"""The parts of the page Tour.

* `link`: `Setup`. What the address of the Tour says: only which model is chosen.
* `stops`. Five permalinks with a sentence each: from one prompt's latents to claims about all of them.

* `link`: `Setup`. What the address of the Tour says: only which model is chosen.
* `stops`. Five permalinks with a sentence each: from one prompt's latents to claims about all of them.
"""
