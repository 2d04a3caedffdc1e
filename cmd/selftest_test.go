package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/internal/devices"
)

func selftestOf(t *testing.T, args ...string) (s selftest, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = Execute(append([]string{"selftest", "--json"}, args...), strings.NewReader(""), &out, &errs)
	if e := json.Unmarshal(out.Bytes(), &s); e != nil {
		t.Fatalf("%v in %q, %v", e, out.String(), err)
	}
	if errs.Len() > 0 {
		t.Errorf("standard error: %q", errs.String())
	}
	return s, err
}

func TestSelftest(t *testing.T) {
	names := setNames()
	isa := names[len(names)-1]
	s, err := selftestOf(t, "--backend", "cpu", "--isa", isa)
	if err != nil || !s.OK || len(s.Backends) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	r := s.Backends[0]
	if r.ISA != isa || r.Conformance.Right < 50 || r.Conformance.Right != r.Conformance.Of || r.Transcripts.Right < 5 || r.PromptTokS <= 0 || r.GenTokS <= 0 {
		t.Errorf("%+v", r)
	}
}

// wrongDevice adds a thousandth to every first logit.
type wrongDevice struct{ backend.Backend }

func (wrongDevice) Free() (int64, error) { return 0, nil }

func (d wrongDevice) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := d.Backend.Compile(p)
	return wrongExec{e}, err
}

type wrongExec struct{ backend.Exec }

func (e wrongExec) Run(p *backend.Params) ([]float32, error) {
	l, err := e.Exec.Run(p)
	if len(l) > 0 {
		l[0] += 0.001 * (1 + l[0]*l[0])
	}
	return l, err
}

var errOff = errors.New("switched off")

// A backend that computes something else or does not open fails the command;
// with auto one that is not there does not.
func TestSelftestFails(t *testing.T) {
	before := devices.All
	defer func() { devices.All = before }()
	working := true
	devices.All = []devices.Device{{
		Name: "wrong",
		Open: func(func(done, total int64)) (split.Device, error) {
			if !working {
				return nil, errOff
			}
			return wrongDevice{cpu.New(1)}, nil
		},
		Absent: func(err error) bool { return err == errOff },
		Advice: func(error) string { return "switch it on" },
	}}
	s, err := selftestOf(t, "--backend", "wrong")
	if err == nil || s.OK {
		t.Fatal("passed")
	}
	if r := s.Backends[0]; r.Conformance.Right == r.Conformance.Of || len(r.Failures) == 0 || !strings.Contains(r.Failures[0], "relative error") {
		t.Errorf("%+v", r)
	}
	working = false
	s, err = selftestOf(t, "--backend", "wrong")
	if err == nil || s.OK || s.Backends[0].Failures[0] != "switched off; switch it on or use --backend cpu" {
		t.Errorf("%+v, %v", s, err)
	}
	f := selftestFlags{runFlags: runFlags{backendName: "auto"}, note: func(string) {}}
	list, err := f.targets()
	if err != nil {
		t.Fatal(err)
	}
	if r := f.check(list[len(list)-1]); r.NotTested != "switched off" || r.Failures != nil {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	s = selftest{Backends: []backendCheck{{Backend: "wrong", Failures: []string{"two\nlines\x1b"}}}}
	if err := s.print(&out); err != nil || !strings.Contains(out.String(), "FAILED") || !strings.Contains(out.String(), "wrong: two; lines\uFFFD") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
