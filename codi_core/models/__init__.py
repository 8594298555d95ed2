"""Checkpoints to models: `load.load_model(request, settings)` gives a `model.CodiModel`."""
