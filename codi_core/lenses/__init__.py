"""Reading the residual stream: a lens (`LENSES`) and the read-outs it shares with all others (`readout`)."""
