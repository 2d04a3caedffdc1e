// Package conversations keeps chats on the server: their messages with all branches,
// titles and settings, in a folder or in memory. Each key has its own.
package conversations

import (
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/jsonscan"
)

// Head is a conversation as lists show it. Times are Unix seconds.
type Head struct {
	ID       string `json:"id"`
	Object   string `json:"object"` // "conversation"
	Title    string `json:"title"`
	Model    string `json:"model"`
	Created  int64  `json:"created_at"`
	Updated  int64  `json:"updated_at"`
	Revision int    `json:"revision"` // one more with each change
	Count    int    `json:"message_count"`
}

// Conversation is a head, and a tree of messages.
type Conversation struct {
	Head
	// Settings is an object of the client's own.
	Settings json.RawMessage `json:"settings"`
	// Current is the message that ends the branch in view, "" for none.
	Current string `json:"current"`
	// Messages are objects by their ids. The store reads "parent" (an id, or null for
	// a beginning), "role" and "content", and keeps all other fields as they are.
	Messages map[string]json.RawMessage `json:"messages"`
}

// Change is a new conversation, or changes to one. Fields that are nil stay as they
// are, or take their zero value in a new one.
type Change struct {
	Title, Model, Current *string
	Settings              json.RawMessage
	Created               *int64 // counts for new ones
	// Revision, if set, is that of the conversation as the client knows it.
	Revision *int
	// Messages are those to set. One that is null is taken out by [Store.Patch].
	Messages map[string]json.RawMessage
}

// InvalidError says where a conversation is wrong.
type InvalidError struct{ At, Text string }

func (e *InvalidError) Error() string { return e.Text }

func invalid(at, format string, args ...any) error {
	return &InvalidError{at, fmt.Sprintf(format, args...)}
}

// Bounds of one conversation, beside those of [Limits].
const (
	mostFields = 64    // of a change
	mostTitle  = 1000  // bytes
	mostModel  = 256   // bytes
	mostNodes  = 10000 // messages
	mostSet    = 64 << 10
)

// nodeID is what a message's id may be.
var nodeID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Parse reads a change. Fields that the store itself gives are passed over, so that
// what it wrote can be sent again.
func Parse(data []byte) (*Change, error) {
	if !utf8.Valid(data) || jsonscan.Valid(data) != nil {
		return nil, invalid("", "a conversation is JSON in UTF-8")
	}
	c := &Change{}
	err := jsonscan.Members(data, mostFields, func(name string, v []byte) error {
		var to any
		switch name {
		case "id", "object", "updated_at", "message_count":
			return nil
		case "title":
			to = &c.Title
		case "model":
			to = &c.Model
		case "current":
			to = &c.Current
		case "created_at":
			to = &c.Created
		case "revision":
			to = &c.Revision
		case "settings":
			if v[0] != '{' {
				return invalid(name, "settings is an object")
			}
			c.Settings = v
			return nil
		case "messages":
			c.Messages = map[string]json.RawMessage{}
			if v[0] != '{' {
				return invalid(name, "messages is an object of messages by their ids")
			}
			return jsonscan.Members(v, mostNodes, func(id string, v []byte) error {
				c.Messages[id] = v
				return nil
			})
		default:
			return invalid(name, "a conversation has no field %q; keep what is your own in settings, or in a message", name)
		}
		if json.Unmarshal(v, to) != nil {
			return invalid(name, "%s has a value of the wrong type", name)
		}
		return nil
	})
	if err == nil {
		return c, nil
	}
	if _, ok := err.(*InvalidError); !ok {
		err = invalid("", "a conversation: %v", err)
	}
	return nil, err
}

// whole makes the change a conversation of its own.
func (c *Change) whole() (*Conversation, error) {
	n := &Conversation{Settings: json.RawMessage("{}"), Messages: map[string]json.RawMessage{}}
	if c.Created != nil {
		n.Created = *c.Created
	}
	return n, c.onto(n)
}

// onto makes the change to a conversation, and checks what comes of it.
func (c *Change) onto(n *Conversation) error {
	for from, to := range map[*string]*string{c.Title: &n.Title, c.Model: &n.Model, c.Current: &n.Current} {
		if from != nil {
			*to = *from
		}
	}
	if c.Settings != nil {
		n.Settings = c.Settings
	}
	for id, m := range c.Messages {
		if string(m) == "null" {
			delete(n.Messages, id)
		} else {
			n.Messages[id] = m
		}
	}
	n.Count = len(n.Messages)
	return n.check()
}

func (n *Conversation) check() error {
	switch {
	case len(n.Title) > mostTitle:
		return invalid("title", "a title has at most %d bytes", mostTitle)
	case len(n.Model) > mostModel:
		return invalid("model", "a model's name has at most %d bytes", mostModel)
	case len(n.Settings) > mostSet:
		return invalid("settings", "settings have at most %d bytes", mostSet)
	case len(n.Messages) > mostNodes:
		return invalid("messages", "a conversation has at most %d messages", mostNodes)
	case n.Current != "" && n.Messages[n.Current] == nil:
		return invalid("current", "current is no message of the conversation")
	}
	parents := make(map[string]string, len(n.Messages))
	for id, v := range n.Messages {
		at := "messages." + id
		if !nodeID.MatchString(id) {
			return invalid("messages", "a message's id has 1 to 64 letters, digits, - and _")
		}
		var m struct {
			Parent        *string
			Role, Content *string
		}
		if json.Unmarshal(v, &m) != nil || m.Role == nil || m.Content == nil {
			return invalid(at, "a message is an object with the texts role and content, and its parent's id or null")
		}
		if m.Parent != nil {
			if n.Messages[*m.Parent] == nil {
				return invalid(at+".parent", "a message's parent is no message of the conversation")
			}
			parents[id] = *m.Parent
		}
	}
	return acyclic(parents)
}

// acyclic says where a message would be its own forebear.
func acyclic(parents map[string]string) error {
	good := map[string]bool{}
	for id := range parents {
		var way []string
		seen := map[string]bool{}
		for at, more := id, true; more && !good[at]; at, more = parents[at] {
			if seen[at] {
				return invalid("messages."+at+".parent", "a message cannot stand before itself")
			}
			seen[at] = true
			way = append(way, at)
		}
		for _, at := range way {
			good[at] = true
		}
	}
	return nil
}
