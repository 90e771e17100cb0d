package control

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"ember.dev/guest/internal/clock"
	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/entrypoint"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/version"
)

const (
	defaultFreeze   = 5 * time.Second
	maxFreeze       = 5 * time.Minute
	defaultShutdown = 10 * time.Second
	defaultTrim     = 2 * time.Minute
	// A clock nearer than this to the host's is left alone: setting it would
	// only add the time that the request took.
	clockTolerance = 500 * time.Millisecond
)

// Machine is the guest as the host sees it.
type Machine struct {
	VMID       string
	Mode       string
	BootMs     int64
	Root       identity.Root
	Entrypoint *entrypoint.Entrypoint
	Freezer    *disk.Freezer
	// Shutdown ends the guest and does not return for long.
	Shutdown func(timeout time.Duration, reboot bool)
	// Rename gives a copy of a machine its own identity.
	Rename func(NewIdentity) (after func(), err error)
	// PlaceSiblings names the other VMs; nil: in /etc/hosts.
	PlaceSiblings func([]identity.Host) error

	mu   sync.Mutex
	told hostList
}

// NewIdentity is what a live fork or a restore changes. Empty fields stay as they are.
type NewIdentity struct {
	VMID           string            `json:"vmId"`
	Hostname       string            `json:"hostname"`
	HostKey        string            `json:"hostKey"`
	AuthorizedKeys []string          `json:"authorizedKeys"`
	Network        *identity.Network `json:"network"`
	Hosts          []identity.Host   `json:"hosts"`
	MachineID      string            `json:"machineId"`
}

// conversation is what is asked on one stream.
type conversation struct {
	*Machine
	open   context.Context // ends when nobody can hear an answer
	frozen bool
	staged hostList // the parts of a list that have come
}

func (m *conversation) methods() map[string]method {
	return map[string]method{
		"ready":        m.ready,
		"info":         m.info,
		"metrics":      m.metrics,
		"grow":         m.grow,
		"freeze":       m.freeze,
		"thaw":         m.thaw,
		"trim":         m.trim,
		"set-clock":    m.setClock,
		"set-hosts":    m.setHosts,
		"new-identity": m.newIdentity,
		"shutdown":     m.shutdown,
	}
}

func (m *Machine) ready(raw json.RawMessage) (reply, error) {
	if _, err := m.setClock(raw); err != nil {
		return reply{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return reply{result: map[string]any{
		"vmId": m.VMID, "agentVersion": version.Agent, "mode": m.Mode, "bootMs": m.BootMs,
	}}, nil
}

func (m *Machine) setClock(raw json.RawMessage) (reply, error) {
	p, err := params[struct {
		TimeMs int64 `json:"timeMs"`
	}](raw)
	if err != nil || p.TimeMs == 0 {
		return reply{}, err
	}
	if p.TimeMs < 0 {
		return reply{}, &failure{codeParams, "timeMs is negative"}
	}
	changed, err := clock.Correct(time.UnixMilli(p.TimeMs), clockTolerance)
	return reply{result: map[string]any{"changed": changed}}, err
}

func (m *Machine) grow(raw json.RawMessage) (reply, error) {
	p, err := params[struct {
		DeviceBytes uint64 `json:"deviceBytes"`
	}](raw)
	if err != nil {
		return reply{}, err
	}
	before, after, err := disk.Grow(m.Root.Device, "/", m.Root.FSType, p.DeviceBytes)
	return reply{result: map[string]any{"beforeBytes": before, "afterBytes": after}}, err
}

func (m *conversation) freeze(raw json.RawMessage) (reply, error) {
	limit, err := timeout(raw, defaultFreeze)
	if err != nil {
		return reply{}, err
	}
	m.frozen = true
	return reply{}, m.Freezer.Freeze(min(limit, maxFreeze))
}

func (m *conversation) thaw(json.RawMessage) (reply, error) {
	m.frozen = false
	frozen, err := m.Freezer.Thaw()
	return reply{result: map[string]any{"frozenMs": frozen.For.Milliseconds(), "held": frozen.Held}}, err
}

// end lets nothing stay frozen for somebody who is gone.
func (m *conversation) end() {
	if m.frozen {
		_, _ = m.Freezer.Thaw() // nobody left to tell
	}
}

func (m *conversation) trim(raw json.RawMessage) (reply, error) {
	limit, err := timeout(raw, defaultTrim)
	if err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(m.open, limit)
	defer cancel()
	trimmed, err := disk.Trim(ctx, 0)
	return reply{result: map[string]any{"trimmedBytes": trimmed.Bytes, "complete": trimmed.Complete}}, err
}

func (m *Machine) newIdentity(raw json.RawMessage) (reply, error) {
	change, err := params[NewIdentity](raw)
	if err != nil {
		return reply{}, err
	}
	if err := change.check(); err != nil {
		return reply{}, &failure{codeParams, err.Error()}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	after, err := m.Rename(change)
	if err == nil && change.VMID != "" {
		m.VMID = change.VMID
	}
	if err == nil {
		err = m.hostsAfter(change)
	}
	return reply{after: after}, err
}

// shutdown answers at once: the host then waits for the hypervisor to exit.
func (m *Machine) shutdown(raw json.RawMessage) (reply, error) {
	limit, err := timeout(raw, defaultShutdown)
	if err != nil {
		return reply{}, err
	}
	p, err := params[struct {
		Reboot bool `json:"reboot"`
	}](raw)
	return reply{after: func() { go m.Shutdown(limit, p.Reboot) }}, err
}

func timeout(raw json.RawMessage, fallback time.Duration) (time.Duration, error) {
	p, err := params[struct {
		TimeoutMs *int64 `json:"timeoutMs"`
	}](raw)
	if err != nil || p.TimeoutMs == nil {
		return fallback, err
	}
	if *p.TimeoutMs < 0 || *p.TimeoutMs > int64(time.Hour/time.Millisecond) {
		return 0, &failure{codeParams, "timeoutMs is out of range"}
	}
	return time.Duration(*p.TimeoutMs) * time.Millisecond, nil
}
