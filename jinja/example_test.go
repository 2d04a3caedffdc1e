package jinja_test

import (
	"fmt"

	"github.com/mil-run/mil/jinja"
)

// A chat template makes one text of a conversation.
func ExampleTemplate() {
	t, err := jinja.Parse(`{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}{{ eos_token }}
{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`, jinja.Tokens{EOS: "</s>"})
	if err != nil {
		panic(err)
	}
	text, err := t.Render([]jinja.Message{jinja.NewMessage("user", " Hi! ")}, map[string]any{"add_generation_prompt": true})
	if err != nil {
		panic(err)
	}
	fmt.Println(text.Text)
	// Output:
	// [user] Hi!</s>
	// [assistant]
}
