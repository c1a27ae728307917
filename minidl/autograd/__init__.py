"""The tape: tensors, the operations that made them, and reverse-mode differentiation.

Read in this order: `tensor` (an array and its place on the tape), `tape` (what is recorded, and when), `primitive` (how an
operation and its derivative rules are declared), `engine` (the backward pass). Then `check` (is a derivative right?),
`anomaly` (where did a NaN come from?), `graph` (a picture of the tape), `capture` (a step as one CUDA graph) and `dlpack`
(memory shared with other libraries).
"""
