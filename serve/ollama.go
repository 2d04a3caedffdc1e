package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/tokenizer"
)

// ollamaOptions are options of a request by their names in the table of parameters.
var ollamaOptions = map[string]string{
	"temperature": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p", "repeat_penalty": "repetition_penalty",
	"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty", "seed": "seed",
}

// ollamaRefused are further fields like those of refused.
var ollamaRefused = map[string][]string{"template": {`""`}, "images": {"[]"}, "context": {"[]"}, "think": {"false", "true", `"low"`, `"medium"`, `"high"`}}

// ollamaRequest reads a request to /api/chat or /api/generate.
func (s *Server) ollamaRequest(r *http.Request) (*request, error) {
	q, err := s.read(r)
	if err != nil {
		return nil, err
	}
	if err := q.refuse(ollamaRefused, ""); err != nil {
		return nil, err
	}
	if err := s.formats(q, q.ollamaForms); err != nil {
		return nil, err
	}
	for i, m := range q.Messages {
		if len(m.Images) > 0 && !null(m.Images) {
			return nil, bad(fmt.Sprintf("messages[%d].images", i), "images are not supported")
		}
	}
	q.Model = strings.TrimSuffix(q.Model, ":latest")
	if q.fields["stream"] == nil {
		q.Stream = true
	}
	var options map[string]json.RawMessage
	if _, err := q.field("options", &options); err != nil {
		return nil, err
	}
	withoutNull(options)
	for from, to := range ollamaOptions {
		if v := options[from]; v != nil {
			q.fields[to] = v
		}
	}
	var most int
	if v := options["num_predict"]; v != nil {
		if json.Unmarshal(v, &most) != nil {
			return nil, bad("options.num_predict", "num_predict is a whole number")
		}
		if most > 0 { // others are no limit
			q.fields["max_tokens"] = v
		}
	}
	if v := options["stop"]; v != nil {
		q.fields["stop"] = v
	}
	return q, nil
}

// ollamaChat is POST /api/chat.
func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request) error {
	q, err := s.ollamaRequest(r)
	if err != nil {
		return err
	}
	if len(q.Messages) == 0 {
		return s.ollamaLoad(w, r, q, true)
	}
	messages, err := q.chat()
	if err != nil {
		return err
	}
	if err := q.offers(false); err != nil {
		return err
	}
	return s.ollamaAnswer(w, r, q, s.chatPrompt(q, messages), true)
}

// ollamaGenerate is POST /api/generate. A prompt is one message of a chat, unless raw
// says that it is the whole text.
func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request) error {
	q, err := s.ollamaRequest(r)
	if err != nil {
		return err
	}
	var f struct {
		Prompt, System string
		Raw            bool
	}
	for name, to := range map[string]any{"prompt": &f.Prompt, "system": &f.System, "raw": &f.Raw} {
		if _, err := q.field(name, to); err != nil {
			return err
		}
	}
	if f.Prompt == "" {
		return s.ollamaLoad(w, r, q, false)
	}
	if f.Raw {
		return s.ollamaAnswer(w, r, q, func(one *served, _ string) (*llm.Prompt, error) {
			return &llm.Prompt{Tokens: one.m.Tokenizer().Encode(f.Prompt, tokenizer.EncodeOptions{AddSpecial: true})}, nil
		}, false)
	}
	messages := llm.User(f.Prompt)
	if f.System != "" {
		messages = append([]llm.Message{{Role: "system", Content: f.System}}, messages...)
	}
	return s.ollamaAnswer(w, r, q, s.chatPrompt(q, messages), false)
}

// ollamaLoad answers a request without a prompt, which makes the model ready.
func (s *Server) ollamaLoad(w http.ResponseWriter, r *http.Request, q *request, chat bool) error {
	one, err := s.models.load(r.Context(), q.Model)
	if err != nil {
		return err
	}
	last := ollamaPiece(one.id, "", chat)
	last["done"], last["done_reason"] = true, "load"
	return send(w, http.StatusOK, last)
}

// ollamaPiece is a line of an answer.
func ollamaPiece(model, text string, chat bool) map[string]any {
	out := map[string]any{"model": model, "created_at": time.Now().UTC().Format(time.RFC3339Nano), "done": false}
	if chat {
		out["message"] = map[string]any{"role": "assistant", "content": text}
	} else {
		out["response"] = text
	}
	return out
}

// ollamaThought adds what was thought to a line.
func ollamaThought(line map[string]any, thought string, chat bool) {
	if thought == "" {
		return
	}
	if chat {
		line = line["message"].(map[string]any)
	}
	line["thinking"] = thought
}

// ollamaCalls are calls as that API has them: the arguments are an object, so calls that
// were cut are left out.
func ollamaCalls(list []llm.Call) []any {
	out := []any{}
	for i, c := range list {
		if object, err := c.Object(); err == nil {
			out = append(out, map[string]any{"id": c.ID, "function": map[string]any{"index": i, "name": c.Name, "arguments": object}})
		}
	}
	return out
}

// ollamaAnswer writes a reply, as lines of JSON or as one.
func (s *Server) ollamaAnswer(w http.ResponseWriter, r *http.Request, q *request, prompt prompter, chat bool) error {
	x, err := s.single(r, q, prompt)
	if err != nil {
		return err
	}
	last := func(text string) map[string]any {
		out, c := ollamaPiece(x.one.id, text, chat), &x.c.result
		out["done"], out["done_reason"] = true, llm.FinishStop
		if why := x.c.finish(); why == llm.FinishLength {
			out["done_reason"] = why
		}
		out["total_duration"], out["load_duration"] = c.Done, 0
		out["prompt_eval_count"], out["prompt_eval_duration"] = c.Prompt, c.First
		out["eval_count"], out["eval_duration"] = c.Generated, c.Done-c.First
		return out
	}
	if !q.Stream {
		if err := x.c.whole(x.ctx); err != nil {
			return err
		}
		one := last(x.c.text)
		ollamaThought(one, x.c.mind, chat)
		if list := ollamaCalls(x.c.made()); len(list) > 0 {
			one["message"].(map[string]any)["tool_calls"] = list
		}
		return send(w, http.StatusOK, one)
	}
	out := newParts(w, "application/x-ndjson")
	var told calling
	if err := x.follow(out, func() {}, func(p piece) {
		one := ollamaPiece(x.one.id, p.text, chat)
		ollamaThought(one, p.thought, chat)
		if p.call != nil {
			if !told.add(p.call) {
				return
			}
			one["message"].(map[string]any)["tool_calls"] = ollamaCalls(told)[len(told)-1:]
		}
		out.line(one)
	}); err != nil {
		out.line(toAPI(err).inOllama())
		return errGone
	}
	out.line(last(""))
	return out.err
}

// ollamaVersion is GET /api/version.
func (s *Server) ollamaVersion(w http.ResponseWriter, _ *http.Request) error {
	version := "0.0.0"
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		version = info.Main.Version[1:]
	}
	return send(w, http.StatusOK, map[string]any{"version": version})
}

// ollamaAbout is a model in a list. Its digest tells versions of a file apart, and is no
// sum of its content.
func (s *Server) ollamaAbout(one *entry) map[string]any {
	size, made := int64(0), one.made
	if path, err := llm.Find(one.name, s.o.LLM.Models); err == nil && one.name != "" {
		if info, err := os.Stat(path); err == nil {
			size, made = info.Size(), info.ModTime()
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", one.id, size, made.UnixNano()))
	return map[string]any{"name": one.id, "model": one.id, "modified_at": made.UTC().Format(time.RFC3339Nano), "size": size, "digest": hex.EncodeToString(sum[:]),
		"details": map[string]any{"parent_model": "", "format": "gguf", "family": "", "families": []string{}, "parameter_size": "", "quantization_level": ""}}
}

// ollamaTags is GET /api/tags.
func (s *Server) ollamaTags(w http.ResponseWriter, _ *http.Request) error {
	list := []any{}
	for _, one := range s.models.list {
		list = append(list, s.ollamaAbout(one))
	}
	return send(w, http.StatusOK, map[string]any{"models": list})
}

// ollamaLoaded is GET /api/ps.
func (s *Server) ollamaLoaded(w http.ResponseWriter, _ *http.Request) error {
	list := []any{}
	for _, one := range s.models.loaded() {
		e, err := s.models.find(one.id)
		if err != nil {
			continue
		}
		about := s.ollamaAbout(e)
		about["size"], about["size_vram"], about["context_length"] = one.m.Engine().Model.Bytes(), 0, one.s.Context()
		about["expires_at"] = time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339Nano)
		list = append(list, about)
	}
	return send(w, http.StatusOK, map[string]any{"models": list})
}

// ollamaShow is POST /api/show. It loads the model.
func (s *Server) ollamaShow(w http.ResponseWriter, r *http.Request) error {
	q, err := s.ollamaRequest(r)
	if err != nil {
		return err
	}
	if v := q.fields["name"]; q.Model == "" && v != nil { // older clients' name of the field
		_ = json.Unmarshal(v, &q.Model)
	}
	one, err := s.models.load(r.Context(), strings.TrimSuffix(q.Model, ":latest"))
	if err != nil {
		return err
	}
	e, err := s.models.find(one.id)
	if err != nil {
		return err
	}
	about, c := s.ollamaAbout(e), one.m.Config()
	details := about["details"].(map[string]any)
	details["family"], details["families"] = c.Arch, []string{c.Arch}
	return send(w, http.StatusOK, map[string]any{
		"modelfile": "", "parameters": "", "template": one.m.Tokenizer().ChatTemplate(), "details": details, "modified_at": about["modified_at"], "capabilities": []string{"completion"},
		"model_info": map[string]any{"general.architecture": c.Arch, "general.parameter_count": one.m.Engine().Model.Parameters(), c.Arch + ".context_length": c.Context},
	})
}
