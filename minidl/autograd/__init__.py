"""The tape: tensors that remember how they were made, and the walk back along that memory.

Read in this order: `tensor` (an array and its place on the tape), `tape` (what is recorded, and when), `primitive` (how an
operation and its derivative rules are declared), `engine` (the backward walk). Then `check` (is a derivative right?),
`anomaly` (where did a NaN come from?), `graph` (a picture of the tape) and `capture` (a step as one CUDA graph).
"""
