package guest

// Status of a VM's network.
type Status struct {
	Linked        bool
	Allowed       uint64
	Refused       uint64
	Spoofed       uint64
	Connections   int
	ReceivedBytes uint64
	SentBytes     uint64
}

// Status reads all counters.
func (vm *VM) Status() Status {
	received, sent := vm.link.Counters()
	counters := vm.recorder.Counters()
	return Status{
		Linked:        vm.link.Linked(),
		Allowed:       counters.Allowed,
		Refused:       counters.Refused,
		Spoofed:       vm.spoofed.Load(),
		Connections:   vm.flows.number("tcp"),
		ReceivedBytes: received,
		SentBytes:     sent,
	}
}
