"""The founding claims about skip connections, tested on the user's data by fixed rules.

`run` trains what the claims need and is resumable; the modules named after what they test hold, for
each claim, the trainings that it needs and a pure function from their results to a verdict.
"""
