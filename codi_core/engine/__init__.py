"""Rolls questions through a model: prompt, latent passes, answer. Start at `engine.Engine`."""
