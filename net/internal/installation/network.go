package installation

import (
	"net/netip"

	"ember.dev/net/internal/fault"
	"ember.dev/net/internal/guest"
	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
	"ember.dev/net/internal/publish"
	"ember.dev/net/internal/record"
	"ember.dev/net/internal/redirect"
)

// network is what policies, secrets and counters are about, whoever carries the VM's packets.
type network interface {
	SetPolicy(policy.Policy)
	SetSecrets(*intercept.Authority, []intercept.Secret) error
	SetConnected(connected bool)
	SaveAnswers(path string) error
	Status() guest.Status
	Close()
}

// redirected is the network of a VM whose packets the host routes. Its ports and its agent are the host's firewall's.
type redirected struct {
	*redirect.VM
	recorder *record.Recorder
}

func openRedirected(settings *guest.Settings, around guest.Surroundings, recorder *record.Recorder) (redirected, error) {
	addresses, err := settings.Addresses()
	if err != nil {
		return redirected{}, fault.New(fault.Usage, "%s", err)
	}
	vm, err := redirect.New(
		redirect.Settings{
			Device: settings.Link.Device, Address: addresses.Gateway, Guest: addresses.Own,
			TCPPort: settings.Link.TCPPort, DNSPort: settings.Link.DNSPort, Answers: settings.Answers,
		},
		redirect.Surroundings{Guard: around.Guard, Dial: around.Dialer.TCP, Resolver: around.Resolver},
		settings.Policy, recorder,
	)
	if err != nil {
		return redirected{}, fault.New(fault.Internal, "cannot take over the VM's connections: %s", err)
	}
	vm.SetConnected(settings.Connected)
	return redirected{vm, recorder}, nil
}

// Status has no counters of bytes: the kernel's interface has them.
func (r redirected) Status() guest.Status {
	counters := r.recorder.Counters()
	return guest.Status{Linked: true, Allowed: counters.Allowed, Refused: counters.Refused, Connections: r.Connections()}
}

// Redirect says where the firewall is to send a VM's connections and questions to.
type Redirect struct {
	Address netip.Addr `json:"address"`
	TCPPort uint16     `json:"tcpPort"`
	DNSPort uint16     `json:"dnsPort"`
}

// redirectOf is nil for a VM whose packets ember-net carries.
func redirectOf(one *vm) *Redirect {
	network, ok := one.network.(redirected)
	if !ok {
		return nil
	}
	tcp, dns := network.Ports()
	return &Redirect{network.Address(), tcp, dns}
}

// setPorts and listPorts: those of a VM whose packets the host routes are the firewall's.
func (v *vm) setPorts(ports []publish.Port) error {
	if v.ports != nil {
		return v.ports.Set(ports)
	}
	if len(ports) > 0 {
		return fault.New(fault.Unsupported, "ports of a VM whose packets the host routes are published by its firewall")
	}
	return nil
}

func (v *vm) listPorts() []publish.Port {
	if v.ports == nil {
		return []publish.Port{}
	}
	return v.ports.List()
}
