"""The gauge-fixed form of a model: one choice among all weights that exact symmetries make of each other.

    canonical_form  the steps in order, and the certificate        norms      gains, biases and null directions
    writes          means over features, the embedding trade       attention  key and value biases, Q·K and V·O, heads
    neurons         scale and order of an MLP's neurons            balance    W = left · right by singular values

Weights that tie exactly (equal singular values, equal neurons: models written by hand) have no unique order, so their
form is one of several. This does not affect fingerprints, which are taken of the function.

Left open: rotations of the residual stream, a number added to all logits (it would change them), and widening.
"""
