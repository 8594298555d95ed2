"""The parts of the page Geometry.

* `beside`. The latents of a model's control beside its own: how much of the variance each component holds in either, and the difference.
* `form`: `NAMES`. Which latents: space, layer, split and passes; everything in the URL.
* `link`: `Setup`. What the address of the Geometry page says.
* `views`. Latents along their principal components, the scree against its null, cosines of the means, and the way to the Steer page.
"""
