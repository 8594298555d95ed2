"""Mean latents, directions made from them, and the methods that push a rollout along one. Start at `methods.METHODS`."""
