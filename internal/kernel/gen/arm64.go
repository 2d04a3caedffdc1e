package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
)

// frameRegister matches the stack pointer, the frame pointer, the link register
// and Go's g.
var frameRegister = regexp.MustCompile(`\b(sp|x28|x29|x30)\b`)

// writeARM64 writes the function as Go assembly. A kernel here uses no stack
// and calls nothing, so that the link register stays where Go looks for it.
func (fn *function) writeARM64(b *bytes.Buffer, name string) error {
	for _, in := range fn.list {
		op, args, _ := strings.Cut(in.text, " ")
		switch {
		case op == "bl" || op == "blr" || op == "br":
			return fmt.Errorf("calls: %s", in.text)
		case frameRegister.MatchString(args):
			return fmt.Errorf("uses the stack or a register of Go's: %s", in.text)
		}
	}
	fmt.Fprintf(b, "\n// func %s(p unsafe.Pointer)\nTEXT ·%s(SB), NOSPLIT|NOFRAME, $0-8\n\tMOVD p+0(FP), R20\n\tPCALIGN $64\n", name, name)
	code := append([]byte(nil), fn.code...)
	if len(fn.data) > 0 {
		code = append(code, make([]byte, -len(code)&63)...)
		code = append(code, fn.data...)
		code = append(code, make([]byte, -len(code)&3)...)
	}
	for len(code) > 0 {
		n := min(len(code), 32)
		var parts []string
		for i := 0; i < n; i += 4 {
			parts = append(parts, fmt.Sprintf("WORD $%#08x", binary.LittleEndian.Uint32(code[i:])))
		}
		fmt.Fprintf(b, "\t%s\n", strings.Join(parts, "; "))
		code = code[n:]
	}
	return nil
}
