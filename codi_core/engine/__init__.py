"""Rolls questions through a model: prompt, latent passes, answer. Start at `engine.Engine`.

* `answers`: `parse_number`, `numbers_in`. Reading a number out of an answer.
* `batching`: `plan_batches`. Which questions run together.
* `cache`: `Prefix`, `Cache`. The KV cache: a frozen prefix that conditions share, and the slots each of them owns.
* `editors`: `Point`, `Site`, `edits_by_site`. The engine's one seam: an editor declares the sites it touches and maps a tensor to a
  tensor.
* `engine`: `TOP_ANSWERS`, `TOKEN_BUDGET`, `Engine`. Whole rollouts: questions in, values out, in batches that do not change the numbers.
* `gradients`: `GradientCache`, `Unrolled`, `unroll`, `pulled_back`. Rollouts that can be differentiated: how the residual stream at one
  cell moves that at another.
* `oracle`: `oracle_rollout`. The same rollout in the plainest way: batch 1, no cache, the whole sequence again at every step. For tests
  and ``selfcheck``.
* `steps`: `nothing`, `Latents`, `Steps`, `likeliest`. The pieces of a rollout: prefill, passes, greedy decoding. `engine.Engine` puts
  them together.
* `taps`: `ResidualHooks`, `Recording`. Hooks that record and edit the residual stream. They live inside one call and are removed
  whatever happens.
* `watch`: `Watch`. Watching attention, and cutting it: an object that a cache asks during one call.
"""
