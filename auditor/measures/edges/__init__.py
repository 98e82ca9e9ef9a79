"""Circuits as sets of edges: from what writes into the residual stream to what reads it.

Where every part adds to one stream, what a part reads is the sum of all earlier writes. An edge (``graph``) is one
summand of one reader; cutting it puts the write of the corrupt input there instead (``forward``). Edges are scored by
their gradient (``attribution``) or tried one by one (``pruning``), and a set of them by what it keeps (``circuit``).
"""
