"""The parts of the page Model.

* `beside`. A model beside its control: how often either is right, question by question, and what a lens is worth in either.
* `link`: `Setup`. What the address of the Model page says.
* `passport`: `passport`. The passport of a model: what was verified, where, and what came out.
* `status`: `panel`. How the server is, for whoever runs it: the line, memory, caches, requests so far, versions.
* `views`: `facts`. The model card as a page: facts in tables, the learning curve, accuracy with its interval.
"""
