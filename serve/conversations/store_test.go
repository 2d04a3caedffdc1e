package conversations

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

const tale = `{"title": "A tale", "model": "demo", "current": "b", "settings": {"temperature": 0},
	"messages": {"a": {"parent": null, "role": "user", "content": "Hello"}, "b": {"parent": "a", "role": "assistant", "content": "<b>\u2028</b>", "x": 1.50}}}`

func parse(t *testing.T, text string) *Change {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(text, err)
	}
	return c
}

func open(t *testing.T, dir string, l Limits) *Store {
	t.Helper()
	s, err := Open(dir, l, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same says whether a conversation has the fields of a request.
func same(t *testing.T, got *Conversation, want string) {
	t.Helper()
	var a, b map[string]any
	data, err := json.Marshal(got)
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err = errors.Join(err, json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatal(err)
	}
	for name, v := range b {
		if !reflect.DeepEqual(a[name], v) {
			t.Errorf("%s is %v, want %v", name, a[name], v)
		}
	}
}

// stores are one in memory, and one in a folder that is opened anew each time.
func stores(t *testing.T, f func(t *testing.T, again func() *Store)) {
	t.Run("memory", func(t *testing.T) {
		s := New(Limits{})
		f(t, func() *Store { return s })
	})
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		var s *Store
		f(t, func() *Store {
			if s != nil {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, dir, Limits{})
			return s
		})
	})
}

// What was kept is found again, changed field by field, and only under its key.
func TestKeep(t *testing.T) {
	stores(t, func(t *testing.T, again func() *Store) {
		s := again()
		clock := time.Unix(1000, 0)
		s.now = func() time.Time { return clock }
		h, err := s.Put("aa", "", parse(t, tale))
		if err != nil || h.Revision != 1 || h.Count != 2 || h.Created != 1000 || !id.MatchString(h.ID) {
			t.Fatalf("%+v, %v", h, err)
		}
		s = again()
		got, err := s.Get("aa", h.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, tale)
		if got.Head != h {
			t.Errorf("its head is %+v, was %+v", got.Head, h)
		}
		for _, key := range []string{"", "bb"} {
			if _, err := s.Get(key, h.ID); !errors.Is(err, ErrNone) || len(s.List(key)) != 0 {
				t.Errorf("key %q has it: %v", key, err)
			}
			if err := s.Delete(key, h.ID); !errors.Is(err, ErrNone) {
				t.Errorf("key %q deletes it: %v", key, err)
			}
		}

		s.now = func() time.Time { return clock.Add(time.Minute) }
		change := parse(t, `{"title": "Another", "current": "c", "revision": 1, "messages": {"b": null, "c": {"parent": "a", "role": "assistant", "content": ""}}}`)
		if h, err = s.Patch("aa", h.ID, change); err != nil || h.Revision != 2 || h.Updated != 1060 || h.Created != 1000 {
			t.Fatalf("%+v, %v", h, err)
		}
		if _, err = s.Patch("aa", h.ID, change); !errors.Is(err, ErrChanged) {
			t.Errorf("a change to an older revision: %v", err)
		}
		s = again()
		if got, err = s.Get("aa", h.ID); err != nil {
			t.Fatal(err)
		}
		same(t, got, `{"title": "Another", "model": "demo", "current": "c", "settings": {"temperature": 0},
			"messages": {"a": {"parent": null, "role": "user", "content": "Hello"}, "c": {"parent": "a", "role": "assistant", "content": ""}}}`)

		data, _ := json.Marshal(got) // as it was read it can be sent again, under another key
		o, err := s.Put("", h.ID, parse(t, string(data)))
		if err != nil || o.ID != h.ID || o.Created != 1000 || o.Revision != 1 {
			t.Errorf("%+v, %v", o, err)
		}
		if err := s.Delete("aa", h.ID); err != nil {
			t.Fatal(err)
		}
		s = again()
		if len(s.List("aa")) != 0 || len(s.List("")) != 1 {
			t.Errorf("%v and %v are left", s.List("aa"), s.List(""))
		}
		if err := s.Delete("", h.ID); err != nil || s.bytes != 0 {
			t.Errorf("%d bytes of nothing, %v", s.bytes, err)
		}
	})
}

// Lists begin with the conversation that was changed last.
func TestOrder(t *testing.T) {
	s := New(Limits{})
	var ids []string
	for i := range 3 {
		s.now = func() time.Time { return time.Unix(int64(i+1), 0) }
		h, err := s.Put("", "", parse(t, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, h.ID)
	}
	s.now = func() time.Time { return time.Unix(9, 0) }
	if _, err := s.Patch("", ids[1], parse(t, `{"title":"x"}`)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{ids[1], ids[2], ids[0]} {
		if got := s.List("")[i]; got.ID != want {
			t.Errorf("%d is %+v, want %s", i, got, want)
		}
	}
}

// Conversations that are wrong are refused, with the place.
func TestInvalid(t *testing.T) {
	message := func(parent string) string {
		return `{"role":"user","content":"","parent":` + parent + `}`
	}
	for _, x := range []struct{ text, at string }{
		{`[]`, ""}, {`{`, ""}, {"{\"title\":\"\xff\"}", ""}, {`{"a":1` + strings.Repeat(`,"a":1`, 100) + `}`, ""},
		{`{"x": 1}`, "x"},
		{`{"title": 1}`, "title"},
		{`{"title": "` + strings.Repeat("a", mostTitle+1) + `"}`, "title"},
		{`{"model": "` + strings.Repeat("a", mostModel+1) + `"}`, "model"},
		{`{"settings": []}`, "settings"},
		{`{"settings": {"a":"` + strings.Repeat("a", mostSet) + `"}}`, "settings"},
		{`{"messages": []}`, "messages"},
		{`{"current": "a"}`, "current"},
		{`{"messages": {"../a": ` + message("null") + `}}`, "messages"},
		{`{"messages": {"a": 1}}`, "messages.a"},
		{`{"messages": {"a": {"role": "user"}}}`, "messages.a"},
		{`{"messages": {"a": ` + message(`"b"`) + `}}`, "messages.a.parent"},
		{`{"messages": {"a": ` + message(`"a"`) + `}}`, "messages.a.parent"},
		{`{"messages": {"a": ` + message(`"b"`) + `, "b": ` + message(`"a"`) + `, "c": ` + message(`"a"`) + `}}`, "messages.*.parent"},
	} {
		c, err := Parse([]byte(x.text))
		if err == nil {
			_, err = New(Limits{}).Put("", "", c)
		}
		var e *InvalidError
		if !errors.As(err, &e) {
			t.Errorf("%.60s: %v", x.text, err)
		} else if ok, _ := filepath.Match(x.at, e.At); !ok {
			t.Errorf("%.60s: %s at %q, want %q", x.text, e, e.At, x.at)
		}
	}
	for _, name := range []string{"../../etc/passwd", "x", strings.Repeat("A", 32), strings.Repeat("a", 33)} {
		if _, err := New(Limits{}).Put("", name, parse(t, "{}")); err == nil {
			t.Errorf("the id %q is taken", name)
		}
	}
	// A change that takes a parent away.
	s := New(Limits{})
	h, err := s.Put("", "", parse(t, tale))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Patch("", h.ID, parse(t, `{"messages": {"a": null}}`)); err == nil {
		t.Error("a message lost its parent")
	}
	got, err := s.Get("", h.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, tale)
}

// Beyond the limits nothing is kept, and nothing is lost.
func TestLimits(t *testing.T) {
	stores(t, func(t *testing.T, again func() *Store) {
		s := again()
		s.l = Limits{Count: 2, Bytes: 2000}
		h, err := s.Put("", "", parse(t, tale))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err = s.Put("", "", parse(t, `{}`)); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "2 already") {
			t.Errorf("a third: %v", err)
		}
		if _, err := s.Put("aa", "", parse(t, `{}`)); err != nil {
			t.Errorf("another key's: %v", err)
		}
		if _, err := s.Patch("", h.ID, parse(t, `{"settings": {"a": "`+strings.Repeat("b", 2000)+`"}}`)); !errors.Is(err, ErrFull) {
			t.Errorf("a large one: %v", err)
		}
		got, err := again().Get("", h.ID)
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, tale)
	})
}

// Files that others made or damaged are passed over, links are not followed, and
// what is left of a killed writer goes.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	h, err := s.Put("", "", parse(t, tale))
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Put("", "", parse(t, tale))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	in := filepath.Join(dir, "open")
	file := func(id string) string { return filepath.Join(in, id+ext) }
	good, err := os.ReadFile(file(h.ID))
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "x")
	left := filepath.Join(in, "."+h.ID+ext+".tmp-abc")
	bad := []string{NewID(), NewID(), NewID(), NewID()}
	for path, text := range map[string]string{
		outside: string(good), left: "half", file(bad[0]): string(good), file(bad[1]): "", file(bad[2]): `{"id":"` + bad[2] + `"}` + "\n{}\n",
		filepath.Join(in, "notes.txt"): "mine", filepath.Join(dir, "mine"): "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, file(bad[3])); err != nil {
		t.Skip(err)
	}
	var warned []string
	if s, err = Open(dir, Limits{}, func(err error) { warned = append(warned, err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if len(s.List("")) != 2 || len(warned) != len(bad) {
		t.Errorf("%v is listed, warnings: %q", s.List(""), warned)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a temporary file is left")
	}
	if err := os.WriteFile(file(other.ID), good[:len(good)-9], 0o600); err != nil { // under the running store
		t.Fatal(err)
	}
	if _, err := s.Get("", other.ID); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("a damaged file is read: %v", err)
	}
	// A link that comes later leads nowhere, neither a file's nor a folder's.
	if err := errors.Join(os.Remove(file(h.ID)), os.Symlink(outside, file(h.ID)), os.Symlink(filepath.Dir(outside), filepath.Join(dir, "key-aa"))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("", h.ID); err == nil {
		t.Error("a link is read")
	}
	if _, err := s.Put("", h.ID, parse(t, "{}")); err == nil {
		t.Error("a link is written to")
	}
	if _, err := s.Put("aa", "", parse(t, "{}")); err == nil {
		t.Error("a folder's link is followed")
	}
	if data, _ := os.ReadFile(outside); string(data) != string(good) {
		t.Errorf("the file outside is %q", data)
	}
}

// Changes at the same time are made one after the other.
func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir(), Limits{})
	h, err := s.Put("", "", parse(t, tale))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c := parse(t, fmt.Sprintf(`{"messages": {"n%d": {"role": "user", "content": ""}}}`, i))
			if _, err := s.Patch("", h.ID, c); err != nil {
				t.Error(err)
			}
			s.List("")
		})
	}
	all.Wait()
	if got, err := s.Get("", h.ID); err != nil || len(got.Messages) != 10 || got.Revision != 9 {
		t.Errorf("%+v, %v", got, err)
	}
}
