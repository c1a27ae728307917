"""The tape: tensors, recorded operations, and reverse-mode differentiation.

Read in this order: `tensor` (an array and its place on the tape), `tape` (what is recorded, and when), `primitive` (how an
operation and its derivative rules are declared), `engine` (the backward pass). Then `check` (finite differences),
`anomaly` (the origin of a NaN), `graph` (a drawing of the tape), `capture` (a step as one CUDA graph) and `dlpack`
(memory shared with other libraries).
"""
