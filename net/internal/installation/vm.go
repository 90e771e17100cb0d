package installation

import (
	"log"
	"time"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/publish"
	"ember.dev/net/internal/record"
)

// saveInterval between two looks at whether a flow record has changed.
const saveInterval = 5 * time.Second

// vm is an attached VM with all that leads to it.
type vm struct {
	settings guest.Settings
	network  *guest.VM
	agent    *publish.Agent
	ports    *publish.Ports
	recorder *record.Recorder
	closed   chan struct{}
	saved    chan struct{}
}

// open makes a VM's network; when anything of it fails, nothing is left.
func open(settings guest.Settings, around guest.Surroundings) (_ *vm, err error) {
	one := &vm{settings: settings, recorder: record.New(), closed: make(chan struct{}), saved: make(chan struct{})}
	if settings.FlowRecord != "" {
		if err := one.recorder.Load(settings.FlowRecord); err != nil {
			log.Printf("VM %s: %v", settings.ID, err)
		}
	}
	if one.network, err = guest.New(&settings, around, one.recorder); err != nil {
		return nil, err
	}
	undo := []func(){one.network.Close}
	defer func() {
		if err != nil {
			for last := len(undo) - 1; last >= 0; last-- {
				undo[last]()
			}
		}
	}()
	if err = one.network.SetSecrets(settings.Authority, settings.Secrets); err != nil {
		return nil, fault.New(fault.Usage, "%s", err)
	}
	if one.agent, err = publish.ListenAgent(settings.Agent.Path, one.network); err != nil {
		return nil, fault.New(fault.Internal, "cannot listen for the agent's clients: %s", err)
	}
	undo = append(undo, func() { one.agent.Close() })
	one.ports = publish.NewPorts(one.network)
	if err = one.ports.Set(settings.OpenPorts()); err != nil {
		return nil, err
	}
	go one.save()
	return one, nil
}

// close leaves nothing of the VM.
func (v *vm) close() {
	close(v.closed)
	v.ports.Close()
	v.agent.Close()
	v.network.Close()
	<-v.saved
}

// save keeps the flow record on disk until the VM is closed, and then once more.
func (v *vm) save() {
	defer close(v.saved)
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	for open := true; open; {
		select {
		case <-ticker.C:
		case <-v.closed:
			open = false
		}
		if v.settings.FlowRecord == "" {
			continue
		}
		if err := v.recorder.Save(v.settings.FlowRecord); err != nil {
			log.Printf("VM %s: save the flow record: %v", v.settings.ID, err)
		}
	}
}
