package intercept

import (
	"errors"
	"sync/atomic"
)

// Slot has the interceptor that a VM has now, if any.
type Slot struct{ present atomic.Pointer[Interceptor] }

// Load gives the interceptor; nil for a VM without secrets.
func (s *Slot) Load() *Interceptor { return s.present.Load() }

// Set replaces what is put in place on the way to some hosts; authority may be nil for a VM without secrets. Connections
// that other secrets were for end; after an error all is as before.
func (s *Slot) Set(authority *Authority, secrets []Secret) error {
	var interceptor *Interceptor
	if len(secrets) > 0 {
		if authority == nil {
			return errors.New("secrets need an authority")
		}
		var err error
		if interceptor, err = New(*authority, secrets); err != nil {
			return err
		}
	}
	present := s.present.Load()
	if present != nil && interceptor != nil && present.Same(interceptor) {
		return nil
	}
	s.present.Store(interceptor)
	if present != nil {
		present.Close()
	}
	return nil
}
