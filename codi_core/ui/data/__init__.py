"""The parts of the page Data.

* `bundle`: `receive`. Somebody's bundle, taken in on the page: what it carries is then on Heatmaps, Claims, Model and in the lens menus.
* `link`: `Setup`. What the address of the Data page says.
* `views`. An eval set on a page: what it is made of, and its questions, each a click away from its latents.
"""
