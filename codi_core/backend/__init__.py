"""Who runs the engine: one thread that owns the model, here or in a Ray actor.

* `cluster`: `Cluster`. Objects that live in Ray actors, on this machine or many, called from here. The only file that knows Ray, which is
  optional.
* `worker`: `Worker`. One thread owns the model; everyone else waits in line for it.
"""
