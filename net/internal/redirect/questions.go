package redirect

import (
	"context"
	"errors"
	"net"

	"github.com/miekg/dns"

	"ember.dev/net/internal/names"
)

// maxQuestions of a VM that are being answered at a time; more are lost, and asked again by the guest.
const maxQuestions = 256

func (vm *VM) asker() names.Asker { return names.Asker{Engine: vm.engine, Note: vm.recorder.Note} }

// answerDatagrams answers the guest's own questions until the socket is closed.
func (vm *VM) answerDatagrams() {
	message := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := vm.dnsUDP.ReadFromUDPAddrPort(message)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || !vm.isGuest(from) {
			continue
		}
		if vm.questions.Add(1) > maxQuestions {
			vm.questions.Add(-1)
			continue
		}
		question := append([]byte(nil), message[:n]...)
		vm.serving.Go(func() {
			defer vm.questions.Add(-1)
			if answer := vm.around.Resolver.Answer(vm.ctx, question, dns.MinMsgSize, vm.asker()); answer != nil {
				_, _ = vm.dnsUDP.WriteToUDPAddrPort(answer, from) // what is lost is asked again
			}
		})
	}
}

func (vm *VM) serveDNS(ctx context.Context, guest socket) {
	if vm.questions.Add(1) > maxQuestions {
		vm.questions.Add(-1)
		guest.Reset()
		return
	}
	defer vm.questions.Add(-1)
	stop := context.AfterFunc(ctx, guest.Reset)
	defer stop()
	vm.around.Resolver.ServeStream(ctx, guest, vm.asker())
}
