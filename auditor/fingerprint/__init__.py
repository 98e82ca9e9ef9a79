"""The function fingerprint: a text that shows whether two models compute one function, whatever their weights.

It is taken in function space: the logits of fixed probe strings are sketched, not the weights. Weights have a normal
form (``auditor.symmetries.gauge_fixing``), but a fingerprint of it would miss what that form leaves open (rotations of
the residual stream, widened layers) and would jump where two singular values or two heads tie. Logits of every exact
symmetry agree by definition, those not yet written included.

    probes      fixed strings over all token ids: outside the training data, too
    projection  a few random projections of the centred logits (Johnson–Lindenstrauss)
    sketch      the text, its short label, and the comparison with a tolerance
    function    model → text                    groups      texts → classes of one function

Reading and comparing texts needs no torch.
"""
