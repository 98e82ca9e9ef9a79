"""The words of an architecture's switches. Nothing is imported here, so that a command can offer them in its help."""

from __future__ import annotations

from typing import Literal

Norm = Literal["layer", "rms"]
NormSite = Literal["embedding", "attention_in", "attention_out", "mlp_in", "mlp_out", "final"]
Mlp = Literal["two_layer", "identity", "none"]
Activation = Literal["relu", "gelu_tanh", "gelu_erf"]
Positions = Literal["none", "learned", "sinusoidal", "scalar", "rotary"]
RotaryPairs = Literal["halves", "adjacent"]
Embedding = Literal["token", "token_and_depth"]
DepthRule = Literal["closing_raised", "plain"]
Pooling = Literal["mean", "last"]
Marker = Literal["start", "end"]
