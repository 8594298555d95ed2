"""The parts of the page Influence.

* `beside`. Influence over an eval set, beside the model's control: attention by kind of key, and what the answer loses without a slot.
* `link`: `Setup`. What the address of the Influence page says.
* `prompt`. One prompt: what is attended to, an edge cut beside random ones, and the graph of its latents.
* `sets`. Over an eval set: mass, edges and summaries, with their intervals and beside their nulls.
"""
