package chat_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// slidingTalk is a chat in a small context that slides. Its file is kept, so that
// it can be left and taken up.
type slidingTalk struct {
	*chat.Conversation
	t    *testing.T
	s    *model.Session
	size int
	o    speculate.Options
	path string
}

func talkSliding(t *testing.T, size int, draft speculate.Options) *slidingTalk {
	k := &slidingTalk{t: t, size: size, o: draft, path: filepath.Join(t.TempDir(), "talk")}
	k.begin()
	return k
}

func (k *slidingTalk) begin() {
	k.t.Helper()
	if k.Conversation != nil {
		if err := errors.Join(k.Sync(), k.Close(), k.s.Close()); err != nil {
			k.t.Fatal(err)
		}
	}
	f, err := demo.Open()
	if err != nil {
		k.t.Fatal(err)
	}
	e, err := chat.Open(f)
	if err != nil {
		k.t.Fatal(err)
	}
	if k.s, err = e.Model.NewSession(cpu.New(0), model.Options{Context: k.size, Slide: true}); err != nil {
		k.t.Fatal(err)
	}
	set := chat.Settings{MaxTokens: k.size / 2}
	if k.size == 128 { // of three sizes, one is sampled
		set.Sampling = sample.Options{Temp: 1, TopP: 0.98, Seed: 8}
	}
	k.Conversation = e.ConverseWith(k.s, set, k.o)
	if _, err := k.Attach(k.path); err != nil {
		k.t.Fatal(err)
	}
}

// do does one thing and tells what came of it.
func (k *slidingTalk) do(what string) string {
	k.t.Helper()
	var r chat.Reply
	var err error
	ctx, quiet := context.Background(), func(string) {}
	switch what {
	case "/regen":
		r, err = k.Regenerate(ctx, quiet)
	case "/undo":
		_, err = k.Undo()
	case "/leave":
		k.begin()
	case "/save":
		err = k.Save(k.path + ".saved")
	case "/load":
		_, err = k.Restore(k.path + ".saved")
	default:
		r, err = k.Say(ctx, what, quiet)
	}
	if err == nil {
		err = k.Sync()
	}
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	return fmt.Sprintf("%s: %q, %s, %d dropped", what, r.Text, r.Why, k.s.Dropped())
}

// A chat whose context slides says the same with every draft, whatever is taken
// back, made anew, saved and left on the way.
func TestSlidingChatWithDraft(t *testing.T) {
	things := strings.Split("Tell me a tale about a fox.|Repeat: red blue green owl fox.|/regen|/save|"+
		"Tell me a tale about a bear.|/undo|What is 2 plus 3?|/leave|/undo|/undo|My name is Opal.|Tell me a story.|/leave|/regen|/load|"+
		"Tell me a story.|/undo|/undo|Tell me a tale about a hare named Leo.", "|")
	for _, size := range []int{96, 128, 256} {
		plain := talkSliding(t, size, speculate.Options{})
		var want []string
		slid := 0
		for _, what := range things {
			want = append(want, plain.do(what))
			slid = max(slid, plain.s.Dropped())
		}
		tokens := slices.Clone(plain.s.Tokens())
		if slid == 0 {
			t.Fatalf("context %d: it never slid", size)
		}
		for name, o := range map[string]speculate.Options{
			"model, 4":   {Draft: demoDraft(t), K: 4},
			"model, 8":   {Draft: demoDraft(t), K: 8},
			"adaptive":   {Draft: demoDraft(t), K: -1},
			"lookup, 15": {Draft: speculate.NewLookup(), K: 15},
		} {
			drafted := talkSliding(t, size, o)
			for i, what := range things {
				if got := drafted.do(what); got != want[i] {
					t.Fatalf("context %d, draft %s, step %d:\n%s\nand without a draft\n%s", size, name, i, got, want[i])
				}
			}
			if !slices.Equal(drafted.s.Tokens(), tokens) {
				t.Errorf("context %d, draft %s: the session holds other tokens", size, name)
			}
		}
	}
}

// A reply does not depend on what was said and taken back before it.
func TestSlidingChatTakenBack(t *testing.T) {
	for _, size := range []int{96, 128, 256} {
		direct, around := talkSliding(t, size, speculate.Options{}), talkSliding(t, size, speculate.Options{Draft: demoDraft(t), K: 4})
		back := 0
		for i, text := range []string{"Tell me a tale about a fox.", "Repeat: red blue green owl fox.", "Tell me a tale about a bear.", "My name is Opal.", "What is 2 plus 3?", "Tell me a story."} {
			for range i % 3 {
				around.do("Tell me a tale about a hare.")
			}
			slid := around.s.Dropped()
			for range i % 3 {
				around.do("/undo")
			}
			if around.s.Dropped() < slid {
				back++
			}
			if i == 4 {
				around.do("/leave")
			}
			want, got := direct.do(text), around.do(text)
			if got != want {
				t.Fatalf("context %d, turn %d:\n%s\nand directly\n%s", size, i, got, want)
			}
			if !slices.Equal(direct.s.Tokens(), around.s.Tokens()) {
				t.Fatalf("context %d, turn %d: other tokens", size, i)
			}
		}
		if back == 0 {
			t.Errorf("context %d: no slide was taken back", size)
		}
	}
}

// Where the system message leaves nothing to slide, a full context ends the reply,
// and a prompt that does not fit is refused with what to do.
func TestSlidingChatWithoutRoom(t *testing.T) {
	k := talkSliding(t, 80, speculate.Options{Draft: demoDraft(t), K: 4})
	k.System("You are very kind. You like long tales about foxes, owls and bears, and answer in whole sentences.")
	r, err := k.Say(context.Background(), "Tell me a tale about a fox.", func(string) {})
	if err != nil || r.Why != chat.ContextFull || k.s.Dropped() > 0 || !k.s.Stuck() {
		t.Fatalf("%q, %s, %v, %d dropped", r.Text, r.Why, err, k.s.Dropped())
	}
	_, err = k.Say(context.Background(), "Tell me a story.", func(string) {})
	if !errors.Is(err, model.ErrContext) || !strings.Contains(err.Error(), "cannot slide, since its first 64 always stay") {
		t.Error(err)
	}
}
