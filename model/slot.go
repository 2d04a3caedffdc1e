package model

import (
	"fmt"

	"github.com/mil-run/mil/quant"
)

// Slot is a tensor that a model's file has.
type Slot struct {
	Name       string // ggml's, in a layer without "blk.N.": "attn_q.weight"
	Former     string // the name in files that earlier versions wrote, or ""
	Layer      int    // -1 outside the layers
	Rows, Cols int    // as programs read it; a vector has one row
	// Dims is the shape in files that mil writes, the length of a row first. A
	// vector may have other dimensions in files made elsewhere.
	Dims     []uint64
	Role     quant.Role
	Parts    []Rows // what the rows make, from the first on; nil: one thing
	Optional bool   // files may lack it
}

// Rows are N rows of a slot that make one thing.
type Rows struct {
	Name string
	N    int
}

// Full is the tensor's name in the file: "blk.3.attn_q.weight".
func (s *Slot) Full() string { return s.full(s.Name) }

func (s *Slot) full(name string) string {
	if s.Layer < 0 {
		return name
	}
	return fmt.Sprintf("blk.%d.%s", s.Layer, name)
}

// table is a slot of rows.
func table(name string, rows, cols int, role quant.Role) Slot {
	return Slot{Name: name, Rows: rows, Cols: cols, Dims: []uint64{uint64(cols), uint64(rows)}, Role: role}
}

// matrix is a slot whose rows make what parts say.
func matrix(name string, cols int, role quant.Role, parts ...Rows) Slot {
	rows := 0
	for _, p := range parts {
		rows += p.N
	}
	s := table(name, rows, cols, role)
	s.Parts = parts
	return s
}

// vector is a slot of n values.
func vector(name string, n int) Slot {
	return Slot{Name: name, Rows: 1, Cols: n, Dims: []uint64{uint64(n)}, Role: quant.Elementwise}
}

// bias is a vector that files may lack.
func bias(name string, n int) Slot {
	s := vector(name, n)
	s.Optional = true
	return s
}

// grouped is a vector that files hold in rows, one for each of its groups.
func grouped(name string, n, groups int) Slot {
	s := vector(name, n)
	s.Dims = []uint64{uint64(n / groups), uint64(groups)}
	return s
}
