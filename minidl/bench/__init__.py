"""The `minidl bench` command: kernels and training steps timed beside other libraries, on the user's own machine.

cases    what is timed, as data             ours, torch_peer   how each library does it
costs    flops and bytes of a case          worker, peers      a process per library, driven over pipes
inputs   the arrays that every library gets measure, floors    rounds and medians; what the machine can do
torch_place, torch_steps, torch_models     PyTorch's device, training steps and networks
"""
