package main

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os/exec"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// function is one compiled kernel: its code, then the constants it reads.
type function struct {
	name string
	code []byte // with relocations applied
	data []byte // constants, at code rounded up to 64
	list []instruction
}

// instruction is a line of the disassembly.
type instruction struct {
	at   int // from the function's start
	text string
}

// read takes the functions out of an object file.
func read(path, arch string) ([]*function, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	listing, err := disassemble(path)
	if err != nil {
		return nil, err
	}
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		return nil, err
	}
	var fns []*function
	for _, s := range syms {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		fn := &function{name: s.Name, code: append([]byte(nil), code[s.Value:s.Value+s.Size]...), list: listing[s.Name]}
		if err := fn.relocate(f, syms, int(s.Value), arch); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		fns = append(fns, fn)
	}
	sort.Slice(fns, func(i, j int) bool { return fns[i].name < fns[j].name })
	return fns, nil
}

// relocate places the constants behind the code and points the code at them.
func (fn *function) relocate(f *elf.File, syms []elf.Symbol, base int, arch string) error {
	rela := f.Section(".rela.text")
	if rela == nil {
		return nil
	}
	b, err := rela.Data()
	if err != nil {
		return err
	}
	start := (len(fn.code) + 63) &^ 63
	placed := map[elf.SectionIndex]int{}
	for ; len(b) >= 24; b = b[24:] {
		at := int(binary.LittleEndian.Uint64(b)) - base
		if at < 0 || at >= len(fn.code) {
			continue
		}
		info := binary.LittleEndian.Uint64(b[8:])
		addend := int(int64(binary.LittleEndian.Uint64(b[16:])))
		sym := syms[info>>32-1]
		sec := f.Sections[sym.Section]
		if !strings.HasPrefix(sec.Name, ".rodata") {
			return fmt.Errorf("refers to %s in %s", sym.Name, sec.Name)
		}
		off, ok := placed[sym.Section]
		if !ok {
			d, err := sec.Data()
			if err != nil {
				return err
			}
			for len(fn.data)%64 != 0 {
				fn.data = append(fn.data, 0)
			}
			off = start + len(fn.data)
			placed[sym.Section] = off
			fn.data = append(fn.data, d...)
		}
		to := off + int(sym.Value) + addend
		if arch == "amd64" {
			if t := elf.R_X86_64(uint32(info)); t != elf.R_X86_64_PC32 {
				return fmt.Errorf("relocation %v", t)
			}
			binary.LittleEndian.PutUint32(fn.code[at:], uint32(int32(to-at)))
			continue
		}
		if err := fn.relocateARM64(at, to, elf.R_AARCH64(uint32(info))); err != nil {
			return err
		}
	}
	return nil
}

// relocateARM64 makes an address of page and offset one relative to the
// program counter: ADRP becomes ADR of the very place, and the offset 0.
func (fn *function) relocateARM64(at, to int, t elf.R_AARCH64) error {
	word := binary.LittleEndian.Uint32(fn.code[at:])
	switch t {
	case elf.R_AARCH64_ADR_PREL_PG_HI21:
		d := uint32(to - at)
		word = word&0x1f | 1<<28 | d&3<<29 | d>>2&0x7ffff<<5
	case elf.R_AARCH64_ADD_ABS_LO12_NC, elf.R_AARCH64_LDST8_ABS_LO12_NC, elf.R_AARCH64_LDST16_ABS_LO12_NC, elf.R_AARCH64_LDST32_ABS_LO12_NC, elf.R_AARCH64_LDST64_ABS_LO12_NC, elf.R_AARCH64_LDST128_ABS_LO12_NC:
		// The register must hold this very place: look back for the ADR.
		reg := word >> 5 & 31
		for p := at - 4; ; p -= 4 {
			if p < 0 {
				return fmt.Errorf("no ADRP for the offset at %d", at)
			}
			w := binary.LittleEndian.Uint32(fn.code[p:])
			if w&0x9f00001f == 1<<28|reg {
				if imm := int(int32(w>>5&0x7ffff<<2|w>>29&3)<<11) >> 11; p+imm != to {
					return fmt.Errorf("the ADRP at %d serves two places", p)
				}
				break
			}
		}
		word &^= 0xfff << 10
	default:
		return fmt.Errorf("relocation %v", t)
	}
	binary.LittleEndian.PutUint32(fn.code[at:], word)
	return nil
}

var (
	labelLine = regexp.MustCompile(`^([0-9a-f]+) <(.+)>:$`)
	codeLine  = regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.+)$`)
)

// disassemble lists every function's instructions.
func disassemble(path string) (map[string][]instruction, error) {
	b, err := exec.Command(objdump, "-d", "--no-show-raw-insn", path).Output()
	if err != nil {
		return nil, err
	}
	out := map[string][]instruction{}
	name, base := "", int64(0)
	for _, line := range strings.Split(string(b), "\n") {
		if m := labelLine.FindStringSubmatch(line); m != nil {
			name = m[2]
			base, _ = strconv.ParseInt(m[1], 16, 64)
		} else if m := codeLine.FindStringSubmatch(line); m != nil {
			at, _ := strconv.ParseInt(m[1], 16, 64)
			text, _, _ := strings.Cut(m[2], "#")
			out[name] = append(out[name], instruction{int(at - base), strings.Join(strings.Fields(text), " ")})
		}
	}
	return out, nil
}
