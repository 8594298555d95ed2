"""CODI Explorer: see and steer the latent thoughts of CODI language models."""

import os

# OpenMP reads this once, when torch loads it. Its default, spinning, lets idle threads fight the working ones on shared cores
# (measured 18.5 s with two threads against 7.1 s with one); nothing else of ours happens at import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
