package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"slices"
	"time"

	"ember.dev/net/internal/saved"
)

const answersVersion = 1

// answersFile is what is on disk: {"version":1,"answers":[...]}, the oldest first.
type answersFile struct {
	Version int           `json:"version"`
	Answers []savedAnswer `json:"answers"`
}

type savedAnswer struct {
	Name    string     `json:"name"`
	Chain   []string   `json:"chain,omitempty"`
	Address netip.Addr `json:"address"`
	Until   time.Time  `json:"until"`
}

// Resume makes an engine as New does, with the answers at path; "" is nowhere. Those that cannot be read are not worth a VM's
// network: they are logged, and the guest asks again.
func Resume(policy Policy, path string) *Engine {
	engine := New(policy)
	if path == "" {
		return engine
	}
	if err := engine.LoadAnswers(path); err != nil {
		log.Print(err)
	}
	return engine
}

// SaveAnswers writes the answers to path, when there were others since the last time and a rule needs them: then the guest, which
// does not ask again for what it resolved, keeps its way when ember-net is started anew.
func (e *Engine) SaveAnswers(path string) error {
	if !e.HasHostRules() {
		return nil
	}
	content, changed := e.answers.list()
	if !changed {
		return nil
	}
	if err := saved.Write(path, answersFile{answersVersion, content}); err != nil {
		e.answers.mu.Lock()
		e.answers.changed = true // the next time tries again
		e.answers.mu.Unlock()
		return fmt.Errorf("answers %s: %w", path, err)
	}
	return nil
}

// LoadAnswers adds what was saved at path, as far as it still holds. No file is no error; after an error, nothing was added.
func (e *Engine) LoadAnswers(path string) error {
	var read answersFile
	err := saved.Read(path, &read)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && read.Version != answersVersion {
		err = fmt.Errorf("version %d is not %d", read.Version, answersVersion)
	}
	if err != nil {
		return fmt.Errorf("answers %s: %w", path, err)
	}
	e.answers.restore(read.Answers)
	return nil
}

// list is all that holds, the oldest first, and whether it is other than the last time.
func (a *answers) list() ([]savedAnswer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.changed
	a.changed = false
	if !changed {
		return nil, false
	}
	a.trim(a.now())
	list := make([]savedAnswer, 0, a.order.Len())
	for element := a.order.Front(); element != nil; element = element.Next() {
		one := element.Value.(*pin)
		list = append(list, savedAnswer{one.name, one.chain, one.address, one.until})
	}
	return list, true
}

func (a *answers) restore(list []savedAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, one := range list {
		if one.isSound() && now.Before(one.Until) && one.Until.Sub(now) <= maxTTL+answerGrace {
			a.put(&pin{address: one.Address, name: one.Name, chain: one.Chain, until: one.Until})
		}
	}
	a.trim(now)
}

// isSound: as Answered would have made it.
func (s savedAnswer) isSound() bool {
	isNormal := func(name string) bool {
		normal, ok := NormalName(name)
		return ok && normal == name
	}
	return s.Address.IsValid() && s.Address == s.Address.Unmap().WithZone("") && isNormal(s.Name) &&
		len(s.Chain) <= maxChain && !slices.ContainsFunc(s.Chain, func(name string) bool { return !isNormal(name) })
}
