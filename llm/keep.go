package llm

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/schedule"
	"github.com/mil-run/mil/session"
)

// keep opens what the service has in a folder: the beginnings of texts as the model has
// read them, and the texts of conversations. It gives the scheduler's part of it.
func (s *Service) keep(dir string, bytes int64) (store schedule.Store, err error) {
	if dir == "" {
		return nil, nil
	}
	states := filepath.Join(dir, "states")
	if err := os.MkdirAll(states, 0o700); err != nil {
		return nil, err
	}
	if s.states, err = session.OpenCache(states, cmp.Or(bytes, 8<<30)); err != nil {
		return nil, err
	}
	s.states.Warn = s.m.o.warn
	id, err := s.m.file.Identity()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(id))
	if err := s.texts.Open(s.m.e, filepath.Join(dir, "texts-"+hex.EncodeToString(sum[:8])+".jsonl"), s.m.o.warn); err != nil {
		return nil, err
	}
	return schedule.NewStore(s.states), nil
}

// leave ends the use of the folder.
func (s *Service) leave() error {
	err := s.texts.Close()
	if s.states != nil {
		err = errors.Join(err, s.states.Close())
	}
	return err
}
