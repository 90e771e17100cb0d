package installation

import (
	"log"
	"time"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/publish"
	"ember.dev/net/internal/record"
)

// Between two looks at whether there is something new to save. Programs use answers at once.
const (
	flowsInterval   = 5 * time.Second
	answersInterval = time.Second
)

// vm is an attached VM with all that leads to it.
type vm struct {
	settings guest.Settings
	network  network
	// agent and ports are nil for a VM whose packets the host routes.
	agent    *publish.Agent
	ports    *publish.Ports
	recorder *record.Recorder
	closed   chan struct{}
	saved    chan struct{}
}

// open makes a VM's network; when anything of it fails, nothing is left.
func open(settings guest.Settings, around guest.Surroundings) (*vm, error) {
	one := &vm{settings: settings, recorder: record.New(), closed: make(chan struct{}), saved: make(chan struct{})}
	if settings.FlowRecord != "" {
		if err := one.recorder.Load(settings.FlowRecord); err != nil {
			log.Printf("VM %s: %v", settings.ID, err)
		}
	}
	if settings.Link.Kind == guest.RedirectLink {
		if err := one.openRedirected(around); err != nil {
			return nil, err
		}
	} else if err := one.openCarried(around); err != nil {
		return nil, err
	}
	go one.save(settings)
	return one, nil
}

// openRedirected is for a VM whose packets the host routes.
func (v *vm) openRedirected(around guest.Surroundings) error {
	if len(v.settings.Ports) > 0 || v.settings.Agent.Path != "" {
		return fault.New(fault.Unsupported, "a VM whose packets the host routes has its ports and its agent from there")
	}
	network, err := openRedirected(&v.settings, around, v.recorder)
	if err != nil {
		return err
	}
	if err := network.SetSecrets(v.settings.Authority, v.settings.Secrets); err != nil {
		network.Close()
		return fault.New(fault.Usage, "%s", err)
	}
	v.network = network
	return nil
}

// openCarried is for a VM whose packets ember-net carries.
func (v *vm) openCarried(around guest.Surroundings) (err error) {
	network, err := guest.New(&v.settings, around, v.recorder)
	if err != nil {
		return err
	}
	undo := []func(){network.Close}
	defer func() {
		if err != nil {
			for last := len(undo) - 1; last >= 0; last-- {
				undo[last]()
			}
		}
	}()
	if err = network.SetSecrets(v.settings.Authority, v.settings.Secrets); err != nil {
		return fault.New(fault.Usage, "%s", err)
	}
	if v.agent, err = publish.ListenAgent(v.settings.Agent.Path, network); err != nil {
		return fault.New(fault.Internal, "cannot listen for the agent's clients: %s", err)
	}
	undo = append(undo, func() { v.agent.Close() })
	v.network, v.ports = network, publish.NewPorts(network)
	return v.ports.Set(v.settings.OpenPorts())
}

// close leaves nothing of the VM.
func (v *vm) close() {
	close(v.closed)
	if v.ports != nil {
		v.ports.Close()
		v.agent.Close()
	}
	v.network.Close()
	<-v.saved
}

// save keeps both files up to date until the VM is closed, and its flows then once more.
func (v *vm) save(settings guest.Settings) {
	defer close(v.saved)
	flowsTicker, answersTicker := time.NewTicker(flowsInterval), time.NewTicker(answersInterval)
	defer flowsTicker.Stop()
	defer answersTicker.Stop()
	for {
		select {
		case <-flowsTicker.C:
			saveIn(settings.FlowRecord, &settings, v.recorder.Save)
		case <-answersTicker.C:
			saveIn(settings.Answers, &settings, v.network.SaveAnswers)
		case <-v.closed:
			saveIn(settings.FlowRecord, &settings, v.recorder.Save)
			return
		}
	}
}

// saveIn a file; "" is none.
func saveIn(path string, settings *guest.Settings, save func(path string) error) {
	if path == "" {
		return
	}
	if err := save(path); err != nil {
		log.Printf("VM %s: %v", settings.ID, err)
	}
}
