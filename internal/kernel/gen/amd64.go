package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
)

var adjust = regexp.MustCompile(`^(subq|addq) \$(0x[0-9a-f]+|-0x[0-9a-f]+), %rsp$`)

// writeAMD64 writes the function as Go assembly: bytes, but for what moves the
// stack pointer, which Go must know to unwind a fault. The compiler's own
// instructions come out again in the same lengths, so that jumps stay right.
func (fn *function) writeAMD64(b *bytes.Buffer, name string) error {
	fmt.Fprintf(b, "\n// func %s(p unsafe.Pointer)\nTEXT ·%s(SB), NOSPLIT|NOFRAME, $0-8\n\tMOVQ p+0(FP), R12\n\tPCALIGN $64\n", name, name)
	depth := 0
	from, done := 0, false
	for i, in := range fn.list {
		end := len(fn.code)
		if i+1 < len(fn.list) {
			end = fn.list[i+1].at
		}
		op, _, _ := strings.Cut(in.text, " ")
		emit := ""
		switch m := adjust.FindStringSubmatch(in.text); {
		case m != nil:
			var n int
			fmt.Sscanf(m[2], "%v", &n)
			if m[1] == "addq" {
				n = -n
			}
			depth += n
			emit = fmt.Sprintf("ADJSP $%d", n)
			// Go's assembler takes 4 bytes up to 128, the compiler 7 for 128.
			long := max(n, -n) > 128
			switch size := end - in.at; {
			case size == 7 && !long:
				emit += "\n\tBYTE $0x0f; BYTE $0x1f; BYTE $0x00 // NOP"
			case size == 7 != long:
				return fmt.Errorf("%s has %d bytes", in.text, size)
			}
		case stacked(in.text, "pushq") != "":
			depth += 8
			emit = "PUSHQ " + stacked(in.text, "pushq")
		case stacked(in.text, "popq") != "":
			depth -= 8
			emit = "POPQ " + stacked(in.text, "popq")
		case op == "retq":
			if depth != 0 {
				return fmt.Errorf("returns at depth %d", depth)
			}
			emit, done = "RET", true
		case op == "callq" || strings.HasPrefix(op, "push") || strings.HasPrefix(op, "pop") && !strings.HasPrefix(op, "popcnt") || strings.HasSuffix(in.text, ", %rsp"):
			return fmt.Errorf("uses the stack: %s", in.text)
		case done && depth == 0 && fn.framed() && op != "nop" && !strings.HasPrefix(op, "nop") && op != "int3":
			return fmt.Errorf("code behind the return: %s", in.text)
		}
		if emit == "" {
			continue
		}
		writeBytes(b, fn.code[from:in.at])
		fmt.Fprintf(b, "\t%s\n", emit)
		from = end
	}
	writeBytes(b, fn.code[from:])
	if len(fn.data) > 0 {
		writeBytes(b, make([]byte, -len(fn.code)&63))
		writeBytes(b, fn.data)
	}
	return nil
}

// stacked gives Go's name of the register that an instruction pushes or pops:
// the ones that take a byte, in Go's encoding as in the compiler's.
func stacked(text, op string) string {
	return map[string]string{"%rax": "AX", "%rbp": "BP", "%rbx": "BX", "%rcx": "CX"}[strings.TrimPrefix(text, op+" ")]
}

// framed reports whether the function moves the stack pointer.
func (fn *function) framed() bool {
	for _, in := range fn.list {
		if stacked(in.text, "pushq") != "" || adjust.MatchString(in.text) {
			return true
		}
	}
	return false
}

// writeBytes writes 8 words of 4 bytes a line.
func writeBytes(b *bytes.Buffer, code []byte) {
	for len(code) > 0 {
		n := min(len(code), 40)
		line := code[:n]
		code = code[n:]
		var parts []string
		for ; len(line) >= 8; line = line[8:] {
			parts = append(parts, fmt.Sprintf("QUAD $%#x", binary.LittleEndian.Uint64(line)))
		}
		for _, c := range line {
			parts = append(parts, fmt.Sprintf("BYTE $%#02x", c))
		}
		fmt.Fprintf(b, "\t%s\n", strings.Join(parts, "; "))
	}
}
