// Command sensitivity measures what storing one kind of tensor in few bits does
// to a model's predictions: each kind in turn is rounded to a type and back, in
// a float32 model whose other tensors stay as they are, and the divergence from
// the whole float32 model on a text is printed as a Markdown table.
//
//	go run ./tools/sensitivity MODEL-f32.bin TEXT TYPE...
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// window is the tokens each prediction sees at most.
const window = 512

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: sensitivity MODEL-f32.bin TEXT TYPE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "sensitivity:", err)
		os.Exit(1)
	}
}

func run(file, text string, types []string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	prose, err := os.ReadFile(text)
	if err != nil {
		return err
	}
	base, err := open(data, file)
	if err != nil {
		return err
	}
	defer base.s.Close()
	for _, t := range base.f.Tensors() {
		if t.Type != quant.F32 {
			return fmt.Errorf("%s: tensor %s is %s; convert with --type f32", file, t.Name, t.Type)
		}
	}
	t := eval.NewText(base.e.Tokenizer, string(prose), true)
	fmt.Print("| rounded | weights |")
	for _, name := range types {
		fmt.Printf(" %s |", name)
	}
	fmt.Print("\n|---|--:|")
	for range types {
		fmt.Print("--:|")
	}
	fmt.Println()
	for _, k := range kinds(base.e.Model.Config) {
		n := k.count(base)
		if n == 0 {
			continue
		}
		fmt.Printf("| %s | %d |", k.name, n)
		for _, name := range types {
			typ, err := quant.Parse(name)
			if err != nil {
				return err
			}
			kl, err := k.measure(data, file, typ, t, base.s.Session)
			if err != nil {
				return err
			}
			fmt.Printf(" %.0f |", 1e6*kl)
		}
		fmt.Println()
	}
	return nil
}

var machine = llm.NewMachine(llm.Options{Backend: "cpu"})

// opened is a model with a session.
type opened struct {
	f *format.File
	e *chat.Engine
	s *llm.Timeline
}

func open(data []byte, name string) (*opened, error) {
	f, err := format.Parse(format.Aligned(data), name)
	if err != nil {
		return nil, err
	}
	e, err := chat.Open(f)
	if err != nil {
		return nil, err
	}
	s, err := machine.Timeline(e.Model, model.Options{Context: window})
	return &opened{f, e, s}, err
}

// kind is rows of all tensors that a pattern names; to 0 is all rows.
type kind struct {
	name, pattern string
	from, to      int
}

// kinds lists the kinds of tensors that are measured.
func kinds(c model.Config) []kind {
	list := []kind{
		{"all matrices", "", 0, 0},
		{"token_embd", "token_embd.weight", 0, 0},
		{"output", "output.weight", 0, 0},
		{"attn_q", "blk.*.attn_q.weight", 0, 0},
		{"attn_k", "blk.*.attn_k.weight", 0, 0},
		{"attn_v", "blk.*.attn_v.weight", 0, 0},
		{"attn_output", "blk.*.attn_output.weight", 0, 0},
		{"ffn_gate", "blk.*.ffn_gate.weight", 0, 0},
		{"ffn_up", "blk.*.ffn_up.weight", 0, 0},
		{"ffn_down", "blk.*.ffn_down.weight", 0, 0},
		{"ssm_in, whole", "blk.*.ssm_in.weight", 0, 0},
	}
	for _, s := range c.Slots() {
		if s.Name != "ssm_in.weight" {
			continue
		}
		at := 0
		for _, p := range s.Parts {
			list = append(list, kind{"ssm_in, " + p.Name, "blk.*.ssm_in.weight", at, at + p.N})
			at += p.N
		}
		break // every layer's is cut alike
	}
	return append(list,
		kind{"ssm_out", "blk.*.ssm_out.weight", 0, 0},
		kind{"ssm_dt (Mamba-1)", "blk.*.ssm_dt.weight", 0, 0},
		kind{"ssm_conv1d", "blk.*.ssm_conv1d.weight", 0, 0},
		kind{"ssm_a", "blk.*.ssm_a", 0, 0},
		kind{"ssm_d", "blk.*.ssm_d", 0, 0},
	)
}

// part is the range of a tensor's values that the kind means.
func (k *kind) part(m *model.Model, t format.Info) (from, to int) {
	if k.pattern == "" {
		if s, _ := m.Slot(t.Name); s.Role.Exact() {
			return 0, 0
		}
	} else if ok, _ := path.Match(k.pattern, t.Name); !ok {
		return 0, 0
	}
	if k.to == 0 {
		return 0, int(t.Values())
	}
	cols := int(t.Dims[0])
	return k.from * cols, k.to * cols
}

func (k *kind) count(o *opened) (n int) {
	for _, t := range o.f.Tensors() {
		from, to := k.part(o.e.Model, t)
		n += to - from
	}
	return n
}

// measure is the mean divergence with the kind rounded to a type. Rows shorter
// than a block are packed across rows; what is left of the last block stays.
func (k *kind) measure(data []byte, name string, typ quant.Type, t eval.Text, base *model.Session) (float64, error) {
	spec, _ := typ.Spec()
	m, err := open(append([]byte(nil), data...), name)
	if err != nil {
		return 0, err
	}
	defer m.s.Close()
	for _, info := range m.f.Tensors() {
		from, to := k.part(m.e.Model, info)
		n := (to - from) / spec.Block * spec.Block
		if n == 0 {
			continue
		}
		b := m.f.Data(info)[4*from:]
		v := make([]float32, n)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		packed := make([]byte, spec.RowBytes(n))
		spec.Pack(packed, v)
		spec.Unpack(v, packed)
		for i := range v {
			binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v[i]))
		}
	}
	s, err := eval.Measure(context.Background(), t, m.s.Session, base, nil)
	if err != nil {
		return 0, err
	}
	return s.Divergence.Mean.Value, nil
}
