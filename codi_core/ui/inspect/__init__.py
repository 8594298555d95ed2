"""The parts of the page Inspect.

* `answer`: `answer`. What the model answered, and what it nearly answered.
* `captions`: `ARRAYS`. Sentences about results: the whole condition of a number on screen, and what to be careful about.
* `examples`. Prompts to begin with; all but the last have a known answer.
* `link`: `Setup`. What the address of the Inspect page says.
* `panel`: `request_of`, `inspected`, `lens_panel`, `track`. The latent thoughts: the lens grids, the chosen cell, and a token's way
  through both.

* `answer`: `answer`. What the model answered, and what it nearly answered.
* `captions`: `ARRAYS`. Sentences about results: the whole condition of a number on screen, and what to be careful about.
* `examples`. Prompts to begin with; all but the last have a known answer.
* `link`: `Setup`. What the address of the Inspect page says.
* `panel`: `request_of`, `inspected`, `lens_panel`, `track`. The latent thoughts: the lens grids, the chosen cell, and a token's way
  through both.
* `sparse`. The chosen cell as a sum of few token directions: on demand, for the directions of all tokens have to be made.
* `welcome`: `welcome`, `reopen`. For a first visit: what this is in a sentence, how the model answers in a picture, and three ways in.
"""
