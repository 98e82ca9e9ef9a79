"""The one schema of the file given by ``--config``, for every format that has none of its own.

A checkpoint holds tensors; what they do not determine is described here: facts of the architecture, the vocabulary,
the language and the read-out. A fact that the checkpoint's own library saved (``config.json``, ``model_args``) is read
from there and not asked for again. ``wen2023`` and ``native`` checkpoints have descriptions of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from auditor.canonical.architecture import Activation, Pooling, RotaryPairs
from auditor.checkpoints.description.reading import Description
from auditor.language.task import OBJECTIVES

SCHEMA = "dyck-audit/config/1"
Kind = Literal["whole", "positive", "truth", "text", "texts", "pairs", "token", "unused", "position", "choice"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: its type and choices, its meaning, and when it may be left out."""

    kind: Kind
    meaning: str
    absent: str = ""  # what holds without it; empty: it is asked for where the format needs it
    choices: tuple[str, ...] = ()


ATTENTION = ("causal", "bidirectional")
NORMS = ("layer", "rms", "none")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")
EMBEDDING_NORMS = ("after_positions", "before_positions", "none")

SECTIONS: Mapping[str, Mapping[str, Fact]] = {
    "model": {
        "heads": Fact("whole", "heads per layer, where fused matrices hide them"),
        "activation": Fact("choice", "of the MLP; gelu_erf is torch's default GELU", choices=get_args(Activation)),
        "norm": Fact("choice", "kind of norm; one without tensors was folded into the weights", choices=NORMS),
        "norm_first": Fact("truth", "true: norm before attention and MLP; false: after their residuals"),
        "final_norm": Fact("truth", "whether there is a norm before the read-out; each token is normed before a mean"),
        "norm_epsilon": Fact("positive", "added to the variance", absent="1e-5"),
        "bias": Fact("truth", "whether maps and norms have biases", absent="true"),
        "attention": Fact("choice", "which way a query may look", choices=ATTENTION),
        "attention_scale": Fact("positive", "factor of the scores", absent="1/√(width of a head)"),
        "pad_masked": Fact("truth", "whether PAD keys get no attention; asked for in bidirectional models with PAD"),
        "positions": Fact(
            "choice",
            "the position encoding that is added to the embedding; rotary: that turns queries and keys",
            choices=POSITIONS,
        ),
        "rotary_width": Fact("whole", "features of a query or key that are turned", absent="the width of a head"),
        "rotary_base": Fact("positive", "pair p turns by base^(-2p/width) per position", absent="10000"),
        "rotary_pairs": Fact(
            "choice",
            "features that make a pair; halves: p and p + width/2 (GPT-NeoX), adjacent: 2p and 2p + 1 (GPT-J)",
            choices=get_args(RotaryPairs),
        ),
        "max_positions": Fact("whole", "rows of a sinusoidal table"),
        "embedding_scale": Fact("positive", "factor of the token embedding", absent="1"),
        "embedding_norm": Fact(
            "choice",
            "a norm of the token embedding, before positions are added or after",
            absent="none",
            choices=EMBEDDING_NORMS,
        ),
    },
    "vocabulary": {
        "brackets": Fact("whole", "k: the standard vocabulary PAD MASK START END (a (b … a) b) …, instead of tokens"),
        "tokens": Fact("texts", "the spelling of every token id, in order; one text is read as its characters"),
        "pairs": Fact("pairs", 'one [opening, closing] per bracket type, or texts such as "()"'),
        "start": Fact("token", "spelling or id of the token before every string", absent="there is none"),
        "end": Fact(
            "token", "spelling or id of the token after every string, a CLS too (reads_end)", absent="there is none"
        ),
        "pad": Fact("token", "spelling or id of the filler", absent="there is none"),
        "mask": Fact("token", "spelling or id of a neutral token", absent="there is none"),
        "unused": Fact(
            "unused",
            "spellings of all other tokens, so that none is forgotten; or a number: so many more ids behind tokens",
            absent="there are none",
        ),
    },
    "task": {
        "depth": Fact("whole", "D: the deepest nesting in the training strings"),
        "max_length": Fact("whole", "brackets in the longest training string"),
        "min_length": Fact("whole", "brackets in the shortest training string", absent="2"),
        "objective": Fact(
            "choice", "what training scored", absent="next_token; classifier with read_out", choices=OBJECTIVES
        ),
        "prefixes": Fact("truth", "whether training strings were cut at any length", absent="false"),
        "open_probability": Fact("positive", "of the generator, where it may open or close", absent="0.5"),
        "reads_end": Fact("truth", "whether END is an input of the model and not only a label", absent="false"),
    },
    "read_out": {
        "position": Fact(
            "position",
            "the position a classifier is read at, 0 is the first token; or last, or mean: of the tokens but padding",
        ),
        "counts_start": Fact("truth", "whether a mean counts START; asked for where it is an input"),
        "counts_end": Fact("truth", "whether a mean counts END; asked for where it is an input"),
        "classes": Fact("whole", "number of classes"),
    },
    "names": {
        "encoder": Fact("text", "what the names of nn.TransformerEncoder begin with", absent="nothing"),
        "embedding": Fact("text", "tensor [token, model]"),
        "positions": Fact("text", "tensor [position, model], where positions are learned"),
        "embedding_norm": Fact("text", "what the names of the embedding norm begin with", absent="there is none"),
        "final_norm": Fact("text", "what the names of the final norm begin with", absent="norm, inside the encoder"),
        "read_out": Fact("text", "tensor [token or class, model]"),
        "read_out_bias": Fact("text", "tensor [token or class]", absent="there is none"),
        "ignore": Fact("texts", "tensors that are not weights of the model", absent="there are none"),
    },
}


def check_names(description: Description, *, model: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> None:
    """Refuse facts that are not read. ``model`` and ``names`` are the facts of these sections that the format reads.

    Raises:
        ConfigurationError: an unknown section or fact, by name.
    """
    description.only("", (*SECTIONS, "schema"))
    if description.has("schema"):
        description.choice("schema", (SCHEMA,))
    for section in ("vocabulary", "task", "read_out"):
        description.only(section, SECTIONS[section])
    description.only("model", model)
    description.only("names", names)


def json_schema() -> dict[str, Any]:
    """The schema as JSON Schema, for people and editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA,
        "title": "Facts about a model that its checkpoint does not contain",
        "type": "object",
        "additionalProperties": False,
        "required": ["vocabulary", "task"],
        "properties": {
            "schema": {"const": SCHEMA},
            **{
                section: {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {name: _property(fact) for name, fact in facts.items()},
                }
                for section, facts in SECTIONS.items()
            },
        },
    }


def _property(fact: Fact) -> dict[str, Any]:
    words = fact.meaning + (f". Without it: {fact.absent}" if fact.absent else "")
    text = {"type": "string"}
    kinds: Mapping[str, dict[str, Any]] = {
        "whole": {"type": "integer", "minimum": 0},
        "positive": {"type": ["number", "string"]},
        "truth": {"type": "boolean"},
        "text": text,
        "texts": {"anyOf": [text, {"type": "array", "items": text}]},
        "pairs": {"type": "array", "items": {"anyOf": [text, {"type": "array", "items": text}]}},
        "token": {"type": ["string", "integer", "null"]},
        "unused": {"anyOf": [text, {"type": "array", "items": text}, {"type": "integer", "minimum": 0}]},
        "position": {"anyOf": [{"type": "integer", "minimum": 0}, {"enum": list(get_args(Pooling))}]},
        "choice": {"enum": list(fact.choices)},
    }
    return {"description": words, **kinds[fact.kind]}
