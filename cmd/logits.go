package cmd

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

func logitsCommand() *cobra.Command {
	var f runFlags
	var tokens, output string
	var step bool
	c := &cobra.Command{
		Use:   "logits MODEL",
		Short: "Write a model's logits for given tokens as a safetensors file",
		Long: `Write a safetensors file with the tensor logits [tokens][vocabulary], float32, to
compare with other implementations. Without -o it goes to standard output. The
tokens are read as a prompt is, or with --step as a reply is made. The two differ
in their last digits.`,
		Example: "  mil logits model.bin --tokens 1,2,3 -o logits.safetensors\n  mil logits model.bin --tokens 1,2,3 --step > logits.safetensors",
		Args:    exactly("MODEL"),

		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseTokens(tokens)
			if err != nil {
				return err
			}
			if output == "" && isTerminal(c.OutOrStdout()) {
				return usagef("the file is binary; name one with -o FILE")
			}
			path, err := findModel(c, args[0])
			if err != nil {
				return err
			}
			file, err := openModel(path)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := intact(file); err != nil {
				return err
			}
			m, err := model.Open(file)
			if err != nil {
				return err
			}
			if f.context == 0 {
				f.context = len(ids)
			}
			defer f.close()
			f.warn = c.ErrOrStderr()
			s, err := f.timeline(m, f.context)
			if err != nil {
				return err
			}
			defer s.Close()
			if declared := m.Config.Context; f.context > declared {
				f.say(&llm.DeclaredError{Context: f.context, Declared: declared})
			}
			rows, err := feedLogits(s.Session, ids, step)
			if err != nil {
				return file.Named(err)
			}
			if output == "" {
				return writeLogits(c.OutOrStdout(), rows, len(ids), s.Vocab())
			}
			return whole.Write(output, 0o666, func(w io.Writer) error { return writeLogits(w, rows, len(ids), s.Vocab()) })
		},
	}
	f.add(c.Flags())
	addText(c.Flags(), &tokens, "tokens", "", "N,...", "token ids, separated by commas")
	c.Flags().BoolVar(&step, "step", false, "feed one token at a time, as a reply is made, not all as a prompt")
	addText(c.Flags(), &output, "output", "o", "FILE", "the file to write")
	c.MarkFlagRequired("tokens")
	return c
}

func parseTokens(list string) ([]int32, error) {
	var ids []int32
	for _, s := range strings.Split(list, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
		if err != nil {
			return nil, usagef("--tokens: %q is not a token id", s)
		}
		ids = append(ids, int32(n))
	}
	return ids, nil
}

// feedLogits is [tokens][vocabulary].
func feedLogits(s *model.Session, ids []int32, step bool) ([]float32, error) {
	if !step {
		return s.Read(ids, model.WantAll, nil)
	}
	var rows []float32
	for _, id := range ids {
		l, err := s.Feed([]int32{id}, model.WantLast)
		if err != nil {
			return nil, err
		}
		rows = append(rows, l...)
	}
	return rows, nil
}

// writeLogits writes the safetensors format.
func writeLogits(w io.Writer, rows []float32, tokens, vocab int) error {
	head, err := json.Marshal(map[string]any{"logits": map[string]any{
		"dtype": "F32", "shape": []int{tokens, vocab}, "data_offsets": []int{0, 4 * len(rows)}}})
	if err != nil {
		return err
	}
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	b := bufio.NewWriter(w)
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(head))))
	b.Write(head)
	var four [4]byte
	for _, v := range rows {
		binary.LittleEndian.PutUint32(four[:], math.Float32bits(v))
		b.Write(four[:])
	}
	return b.Flush()
}
