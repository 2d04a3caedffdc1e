package serve

import (
	"math"
	"net/http"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/sample"
)

// parameters is GET /v1/mil/parameters: the table of a reply's parameters, for clients
// that let people choose them. Of a model that is loaded it says the context and the
// model's own values. It loads none.
func (s *Server) parameters(w http.ResponseWriter, r *http.Request) error {
	body := map[string]any{"object": "parameters"}
	var own *llm.Settings
	if id := r.URL.Query().Get("model"); id != "" {
		one, err := s.models.find(id)
		if err != nil {
			return err
		}
		about := map[string]any{"id": one.id, "loaded": false}
		if ready := s.models.hold(r.Context(), one); ready != nil {
			set := ready.m.Settings()
			own = &set
			about["loaded"], about["context"] = true, ready.s.Context()
		}
		body["model"] = about
	}
	list := []any{}
	for _, p := range sample.Params() {
		list = append(list, parameter(p, own))
	}
	body["parameters"] = list
	return send(w, http.StatusOK, body)
}

// parameter is a line of the table. own may be nil.
func parameter(p *sample.Param, own *llm.Settings) map[string]any {
	var zero llm.Settings
	from := &zero
	if own != nil {
		from = own
	}
	value := p.Field(from)
	one := map[string]any{"name": p.Name, "json": p.JSON, "help": p.Help, "values": p.Values, "low": p.Low, "high": nil}
	if !math.IsInf(p.High, 0) {
		one["high"] = p.High
	}
	switch value.(type) {
	case *float32:
		one["type"] = "number"
	case *int, *uint64:
		one["type"] = "whole"
	case *[]string:
		one["type"] = "texts"
	}
	if own != nil && p.Name != "seed" { // which is a new one for each reply
		one["default"] = value
	}
	return one
}
