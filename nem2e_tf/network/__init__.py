"""STDR-Net: layers, model, graphs of one step, and baselines.

Import the modules by name: `stdr_net`, `decoder`, `decoding` and `step_graphs` load TensorFlow,
`baselines` does not.
"""
