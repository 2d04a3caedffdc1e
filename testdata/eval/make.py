"""Makes heldout.txt and calibration.txt: the demo's questions and transcripts as
rendered conversations, every other one in each. Run in testdata/."""
import json

def rendered(messages):
    return "".join("<|start_header_id|>%s<|end_header_id|>\n\n%s<|eot_id|>" % (m["role"], m["content"].strip()) for m in messages)

conversations = []
for name, answer in (("eval.jsonl", "answer"), ("hybrid-mamba1/transcripts.jsonl", "text"), ("hybrid-mamba2/transcripts.jsonl", "text")):
    for line in open("demo/" + name):
        c = json.loads(line)
        if c.get("kind") not in ("needle64", "needle256"):  # little else than filler
            conversations.append(rendered(c["messages"] + [{"role": "assistant", "content": c[answer]}]))
# In an order that mixes the kinds, so that any beginning has of all of them.
n = len(conversations)
conversations = [conversations[i * 97 % n] for i in range(n)]
for i, name in enumerate(("heldout", "calibration")):
    open("eval/%s.txt" % name, "w").write("".join(conversations[i::2]))
