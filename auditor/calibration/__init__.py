"""The audit's own error rates, measured on planted truth: how often a verdict is wrong, by method and effect size.

Truth is planted in three ways. By theorem: scores that a symmetry keeps or frees. By construction: twins that compute
one function exactly while a score differs by an amount that is measured on many more sequences than an audit sees.
By chance alone: the same model scored twice, and explanations drawn at random.
"""
