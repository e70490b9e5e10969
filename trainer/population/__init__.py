"""Population training: several candidates as one fused network in one `Trainer.fit`.

Start at `train_group`; `network` is the fused network, `parameters` where its weights lie.
"""
