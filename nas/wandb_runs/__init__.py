"""W&B: what to log, the owner's side, and the process that writes the runs."""
