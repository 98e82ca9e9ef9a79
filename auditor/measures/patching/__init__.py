"""Patching: what carries the type of a bracket to the decision that needs it.

Every method works on pairs of inputs that differ in one bracket type (``pairs``), and puts activations of one input
into the run on the other: whole heads (``activation``), single paths (``paths``), or their gradient (``gradient``).
"""
