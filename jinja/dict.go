package jinja

// Map is a dict that keeps the order its keys were set in, as tojson must.
// The zero value is empty and ready for use.
type Map struct {
	keys   []any
	values []any
	index  map[any]int
}

// Message is one turn of a conversation: role, content and every other field
// that a model's template reads (tool_calls, name, ...), in its order.
type Message = *Map

// NewMessage makes the plain kind of message.
func NewMessage(role, content string) Message {
	m := new(Map)
	m.Set("role", role)
	m.Set("content", content)
	return m
}

// Len is the number of keys.
func (d *Map) Len() int { return len(d.keys) }

// Get returns the value of key.
func (d *Map) Get(key string) (any, bool) { return d.get(key) }

// Set adds key, or changes its value where it stands. Values are those that
// Render takes for variables.
func (d *Map) Set(key string, v any) { d.put(key, key, v) }

func (d *Map) get(hash any) (any, bool) {
	i, ok := d.index[hash]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *Map) put(hash, key, v any) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[hash] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, v)
}

// lookup finds a key of any type. A value that cannot be a key is an error.
func (d *Map) lookup(key any) (v any, ok bool, err error) {
	h, err := hashKey(key)
	if err == nil {
		v, ok = d.get(h)
	}
	return v, ok, err
}

func (d *Map) pairs() []any {
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = tuple(k, d.values[i])
	}
	return out
}
