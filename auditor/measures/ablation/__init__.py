"""Ablation: what the outputs lose when something else takes the place of a component's output.

What takes the place (``substitutes``) × where it goes (``edits``) × what is read off the outputs (``effects``), in one
``sweep`` that runs the model again only from the edited write on (``continuation``).
"""
