package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"ember.dev/net/internal/saved"
)

const fileVersion = 1

// file is what is on disk: {"version":1,"allowed":n,"refused":n,"dropped":n,"flows":[...]}.
type file struct {
	Version int `json:"version"`
	Counters
	Flows []Flow `json:"flows"`
}

// Load adds to the record what was saved at path. No file is no error. After an error, the record is as before: one that
// cannot be read is not worth a VM's network, so callers go on and the next Save replaces it.
func (r *Recorder) Load(path string) error {
	read, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("flow record %s: %w", path, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.Allowed += read.Allowed
	r.counters.Refused += read.Refused
	r.counters.Dropped += read.Dropped
	for _, flow := range read.Flows {
		r.add(flow)
	}
	return nil
}

func readFile(path string) (file, error) {
	var read file
	if err := saved.Read(path, &read); err != nil {
		return file{}, err
	}
	if read.Version != fileVersion {
		return file{}, fmt.Errorf("version %d is not %d", read.Version, fileVersion)
	}
	return read, nil
}

// Save writes the record to path when it has changed since the last Save: whole or not at all, for its owner alone.
func (r *Recorder) Save(path string) error {
	r.mu.Lock()
	changed := r.changed
	r.changed = false
	counters := r.counters
	r.mu.Unlock()
	if !changed {
		return nil
	}
	err := saved.Write(path, file{Version: fileVersion, Counters: counters, Flows: r.Flows()})
	if err != nil {
		r.mu.Lock()
		r.changed = true // the next Save tries again
		r.mu.Unlock()
		return fmt.Errorf("flow record %s: %w", path, err)
	}
	return nil
}

// compare puts the flow that was seen last first, and leaves no two in an order of chance.
func compare(a, b Flow) int {
	return cmp.Or(
		b.LastAt.Compare(a.LastAt),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.By, b.By),
	)
}
