"""STDR-Net: its layers, its graph of one step, and simple baselines beside it.

Import its modules by name: `stdr_net`, `decoder`, `decoding` and `step_graphs` load TensorFlow,
`baselines` does not.
"""
