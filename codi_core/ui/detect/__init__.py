"""The parts of the page Detect.

* `beside`: `Question`. What is asked of a model's readings, asked of its control's: the same map, the difference of the two, and what it
  comes to.
* `link`: `Setup`. What the address of the Detect page says.
* `run`: `run_of`, `controls`. A detection run of this session, in the background; what was read is kept whatever happens.
* `views`. What can be asked of the readings: where a value is found, a set of tokens, entropy, probability; each with its intervals.
"""
