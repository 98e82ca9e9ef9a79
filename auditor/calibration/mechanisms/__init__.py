"""The decisive experiment: do true claims survive where false ones fall, in twins of one function?

Models are written down by hand, so that it is known which claims state their mechanism. Twins of four kinds are taken
at the same divergence from them, and the share of claims that is overturned is compared.
"""
