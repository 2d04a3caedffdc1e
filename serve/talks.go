package serve

import (
	"errors"
	"io"
	"net/http"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/serve/conversations"
)

// keptError gives errors about conversations the form that clients know.
func keptError(err error) error {
	var wrong *conversations.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return bad(wrong.At, "%s", wrong.Text)
	case errors.Is(err, conversations.ErrNone):
		return &apiError{status: http.StatusNotFound, kind: "invalid_request_error", code: "conversation_not_found", text: err.Error()}
	case errors.Is(err, conversations.ErrChanged):
		return &apiError{status: http.StatusConflict, kind: "invalid_request_error", code: "conversation_changed", param: "revision", text: err.Error()}
	case errors.Is(err, conversations.ErrFull):
		return &apiError{status: http.StatusInsufficientStorage, kind: "server_error", code: "conversations_full", text: show.Line(err)}
	}
	return &apiError{status: http.StatusInternalServerError, kind: "server_error", code: "conversation_unreadable", text: show.Line(err)}
}

// change reads a conversation, or changes to one.
func (s *Server) change(r *http.Request) (*conversations.Change, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	c, err := conversations.Parse(data)
	return c, keptError(err)
}

// listTalks is GET /v1/mil/conversations.
func (s *Server) listTalks(w http.ResponseWriter, r *http.Request) error {
	kept := "memory"
	if s.talks.Dir() != "" {
		kept = "disk"
	}
	return send(w, http.StatusOK, map[string]any{"object": "list", "kept": kept, "data": s.talks.List(s.key(r))})
}

// getTalk is GET /v1/mil/conversations/{id}.
func (s *Server) getTalk(w http.ResponseWriter, r *http.Request) error {
	one, err := s.talks.Get(s.key(r), r.PathValue("id"))
	if err != nil {
		return keptError(err)
	}
	return send(w, http.StatusOK, one)
}

// putTalk is PUT /v1/mil/conversations/{id}, and POST without an id.
func (s *Server) putTalk(w http.ResponseWriter, r *http.Request) error {
	c, err := s.change(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status, c.Revision = http.StatusCreated, nil
	}
	head, err := s.talks.Put(s.key(r), r.PathValue("id"), c)
	if err != nil {
		return keptError(err)
	}
	return send(w, status, head)
}

// patchTalk is PATCH /v1/mil/conversations/{id}.
func (s *Server) patchTalk(w http.ResponseWriter, r *http.Request) error {
	c, err := s.change(r)
	if err != nil {
		return err
	}
	head, err := s.talks.Patch(s.key(r), r.PathValue("id"), c)
	if err != nil {
		return keptError(err)
	}
	return send(w, http.StatusOK, head)
}

// deleteTalk is DELETE /v1/mil/conversations/{id}.
func (s *Server) deleteTalk(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.talks.Delete(s.key(r), id); err != nil {
		return keptError(err)
	}
	return send(w, http.StatusOK, map[string]any{"id": id, "object": "conversation.deleted", "deleted": true})
}
