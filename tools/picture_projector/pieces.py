"""Writes pieces.json: the token ids of the texts around the pictures, by the tokenizer in the model file.

    python pieces.py MODEL.gguf

Training needs no tokenizer then. The byte-pair encoder is built from the file's tokens and merges with the pre-tokeniser
the file names (`smollm`: digits apart, then GPT-2's pattern), and checked against tests/golden/real_model/tokenizer.json.
"""

import json
import sys
from pathlib import Path

import gguf
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

HERE = Path(__file__).parent
LETTERS = "ABCDEFGH"


def tokenizer(path):
    fields = gguf.GGUFReader(path).fields
    get = lambda key: fields[f"tokenizer.{key}"].contents()
    assert get("ggml.pre") == "smollm"
    tokens, merges = get("ggml.tokens"), [tuple(m.split(" ")) for m in get("ggml.merges")]
    made = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    control = [t for t, kind in zip(tokens, get("ggml.token_type")) if kind == gguf.TokenType.CONTROL]
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control])
    return made, get("chat_template")


def main():
    made, template = tokenizer(sys.argv[1])
    ids = lambda text: made.encode(text, add_special_tokens=False).ids
    golden = json.loads((HERE / "../../tests/golden/real_model/tokenizer.json").read_text())
    for case in golden["texts"]:
        assert ids(case["text"]) == case["ids"], case["text"]

    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert f"<|im_start|>system\n{system}<|im_end|>\n" in template, "the template's default system text"
    before = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
    after = "<|im_end|>\n<|im_start|>assistant\n"
    said = [f"Picture {x} shows the digit " for x in LETTERS]
    asked = [f"Which digit is in picture {x}?" for x in LETTERS]
    out = {"before": ids(before), "picture": [ids(s) for s in said], "end": ids(".\n"),
           "question": [ids(q) for q in asked], "turn": ids(after), "answer": [ids(s) for s in said],
           "digit": [ids(str(d))[0] for d in range(10)]}
    # Cutting the text elsewhere between two pictures gives the same ids, so the engine may cut at the pictures only.
    for s, t in zip(said, said[1:]):
        assert ids(".\n" + t) == out["end"] + ids(t) and ids(before + s) == out["before"] + ids(s)
    for q, s in zip(asked, said):
        assert ids(".\n" + q + after + s) == out["end"] + ids(q) + out["turn"] + ids(s)
        assert len(ids(q)) == len(out["question"][0]) and len(ids(s)) == len(out["picture"][0])
    text = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in out.items())
    (HERE / "pieces.json").write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
