"""What services have in common: requests and the command lines that repeat them, the workbench, the door to interventions.

* `budget`: `check_budget`. How much one request may ask of a server.
* `commands`: `condition_command`, `steer_command`, `means_words`, `sweep_command`. The command lines that repeat a request.
* `directions`: `condition_of`, `check_means`, `means_spec`, `collect_in_turns`, `means_samples`, `directions_of`. From a request to its
  condition and the latents its directions are made from.
* `entry`: `Entry`, `note`, `at`, `outcome_of`. One request to a server as it goes: what was asked, by whom, how long it waited and ran.
* `interventions`. What screens and commands may know of steering, its methods, sources and sweeps.
* `meter`: `Meter`, `Tally`. What a server did: one line in its log a request, and counters for whoever watches it.
* `remote`: `RemoteWorkbench`, `RemoteWorkbenches`, `open_workbench`. Workbenches in Ray actors: the same services, called where the
  models are. This process loads none.
* `requests`: `MeansRequest`, `VectorRequest`, `DoseRequest`, `SteerRequest`, `ConditionRequest`, `SweepRequest`. What a person asks for,
  in names and numbers: requests are hashed, sent to workers, and written as links and command lines.
* `turns`: `Turns`. Long work in many turns: others get to the model in between, progress is seen, and the work can be called off.
* `workbench`: `Workbench`, `model_names`. What services share: models kept by name, the one worker thread that owns them, and the store.
"""
