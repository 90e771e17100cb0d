package guest

import (
	"net/netip"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ember.dev/net/internal/names"
)

// ask has a question answered; more of them at a time than may be are lost, and asked again by the guest.
func (vm *VM) ask(id stack.TransportEndpointID, message []byte) {
	if vm.questions.Add(1) > maxQuestions {
		vm.questions.Add(-1)
		vm.note("dns", netip.AddrPortFrom(fromStack(id.LocalAddress), id.LocalPort), overLimit)
		return
	}
	go func() {
		defer vm.questions.Add(-1)
		if answer := vm.resolver.Answer(vm.ctx, message, dns.MinMsgSize, vm.asker()); answer != nil {
			vm.sendDatagram(id, answer)
		}
	}()
}

func (vm *VM) asker() names.Asker { return names.Asker{Engine: vm.engine, Note: vm.recorder.Note} }
