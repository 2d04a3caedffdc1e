package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/tokenizer"
)

// Grid is how often a model finds one fact in a long text, by the text's
// length and by where in it the fact stands.
type Grid struct {
	Lengths []int     `json:"lengths"` // of the text, in tokens
	Depths  []float64 `json:"depths"`  // of the fact: 0 at the text's beginning, 1 at its end
	Asked   int       `json:"asked"`   // a cell
	Found   [][]int   `json:"found"`   // [length][depth]
}

// Depths are where facts are hidden.
var Depths = []float64{0, 0.25, 0.5, 0.75, 1}

// Total is over all cells.
func (g *Grid) Total() Count {
	t := Count{Asked: len(g.Lengths) * len(g.Depths) * g.Asked}
	for _, row := range g.Found {
		for _, n := range row {
			t.Correct += n
		}
	}
	return t
}

// promptSpare is the room that template, question and reply need beside the
// text.
const promptSpare = 96

// Lengths doubles from 256 tokens up to the context's size.
func Lengths(context int) []int {
	var list []int
	for n := 256; n+promptSpare <= context; n *= 2 {
		list = append(list, n)
	}
	return list
}

// RoomError is the [model.ErrContext] about a text that is too long to ask about.
type RoomError struct{ Text, Spare, Context int }

func (e *RoomError) Error() string {
	return fmt.Sprintf("a text of %d tokens and %d for question and reply do not fit the context of %d", e.Text, e.Spare, e.Context)
}

func (e *RoomError) Unwrap() error { return model.ErrContext }

// Needle hides facts in texts of each length, asked times at each depth, and
// asks for them. The texts are the same at every call. A reply that holds the
// fact counts.
func Needle(ctx context.Context, e *chat.Engine, s *model.Session, lengths []int, asked int, progress func(done, total int)) (*Grid, error) {
	g := &Grid{Lengths: lengths, Depths: Depths, Asked: asked}
	done, total := 0, len(lengths)*len(Depths)*asked
	for _, n := range lengths {
		if n < 1 || n+promptSpare > s.Context() {
			return nil, &RoomError{n, promptSpare, s.Context()}
		}
		row := make([]int, len(Depths))
		for i, depth := range Depths {
			for k := range asked {
				r := rand.New(rand.NewPCG(uint64(n), uint64(i*asked+k)))
				q, code := hide(e.Tokenizer, r, n, depth)
				text, err := ask(ctx, e, s, q)
				if err != nil {
					return nil, err
				}
				if strings.Contains(text, code) {
					row[i]++
				}
				done++
				progress(done, total)
			}
		}
		g.Found = append(g.Found, row)
	}
	return g, nil
}

// hide makes a text of about n tokens with a code in it, and asks for it.
func hide(tok *tokenizer.Tokenizer, r *rand.Rand, n int, depth float64) (q Question, code string) {
	city := pick(r, cities)
	code = fmt.Sprintf("%04d", 1000+r.IntN(9000))
	needle := fmt.Sprintf("The secret code of %s is %s.", city, code)
	size := func(s string) int { return len(tok.Encode(" "+s, tokenizer.EncodeOptions{})) }
	have := size(needle)
	var lines []string
	for {
		line := filler(r)
		if have += size(line); have > n {
			break
		}
		lines = append(lines, line)
	}
	at := int(depth*float64(len(lines)) + 0.5)
	text := strings.Join(append(append(append([]string{"Read this:"}, lines[:at]...), needle), lines[at:]...), " ")
	text += fmt.Sprintf(" What is the secret code of %s?", city)
	return Question{Messages: []chat.Message{{Role: "user", Content: text}}, Answer: needle}, code
}

// filler is a sentence that says nothing about codes.
func filler(r *rand.Rand) string {
	switch r.IntN(7) {
	case 0:
		return fmt.Sprintf("The road to the %s was long.", pick(r, places))
	case 1:
		return fmt.Sprintf("The %s %s was on the table.", pick(r, colors), pick(r, things))
	case 2:
		return fmt.Sprintf("The %s slept under a %s tree.", pick(r, animals), pick(r, colors))
	case 3:
		return fmt.Sprintf("It was a slow day at the %s.", pick(r, places))
	case 4:
		return fmt.Sprintf("The %s carried a %s home.", pick(r, animals), pick(r, things))
	case 5:
		return fmt.Sprintf("%s and %s talked about the weather.", pick(r, names), pick(r, names))
	}
	return fmt.Sprintf("%s counted the stars over the %s.", pick(r, names), pick(r, places))
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

var (
	cities  = strings.Fields("Paris Rome Cairo Lima Oslo Delhi Quito Prague Ottawa Madrid Vienna Athens")
	names   = strings.Fields("Ada Bruno Clara Felix Greta Hugo Juno Leo Mira Otis Pip Rosa Sam Tess Vera")
	animals = strings.Fields("bear cat crow deer duck fox frog goat hare mole mouse otter owl seal wolf")
	colors  = strings.Fields("red blue green yellow golden silver white purple orange")
	things  = strings.Fields("book boat lantern cup kite basket clock blanket ladder bell map feather")
	places  = strings.Split("dark forest,old mill,quiet lake,sandy beach,stone bridge,green valley,tall mountain,small village,windy hill,sunny meadow", ",")
)
