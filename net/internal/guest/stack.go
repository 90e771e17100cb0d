package guest

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"ember.dev/net/internal/link"
)

const nic = tcpip.NICID(1)

const (
	// Both buffers of a connection begin with this many bytes; they hold packets, and nothing while there are none.
	defaultBuffer = 512 << 10
	// largestBuffer that receiving grows to while the outside takes it as fast, bytes.
	largestBuffer = 4 << 20
	timeWait      = 5 * time.Second
	// synRetries of a connection's first packets: a guest that has gone is waited for half a minute.
	synRetries = 4
)

// newStack makes a stack that takes every packet for its own, and sends under any address.
func newStack(endpoint *link.Endpoint, a Addresses) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	if err := s.CreateNIC(nic, endpoint); err != nil {
		return nil, fmt.Errorf("make the interface: %s", err)
	}
	s.SetPromiscuousMode(nic, true)
	s.SetSpoofing(nic, true)
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	for _, own := range []struct {
		address tcpip.Address
		wanted  bool
	}{
		{toStack(a.Gateway), true}, {toStack(a.Resolver), true},
		{toStack(a.Gateway6), a.Gateway6.IsValid()}, {toStack(a.Resolver6), a.Resolver6.IsValid()},
	} {
		if !own.wanted {
			continue
		}
		protocol := header.IPv4ProtocolNumber
		if own.address.Len() == header.IPv6AddressSize {
			protocol = header.IPv6ProtocolNumber
		}
		address := tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: own.address.WithPrefix()}
		if err := s.AddProtocolAddress(nic, address, stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("add the address %s: %s", own.address, err)
		}
	}
	return s, setTCP(s)
}

func setTCP(s *stack.Stack) error {
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: defaultBuffer, Max: largestBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: tcp.MinBufferSize, Default: defaultBuffer, Max: largestBuffer}
	retries := tcpip.TCPSynRetriesOption(synRetries)
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &receive, &send, &wait, &retries} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return fmt.Errorf("set %T: %s", option, err)
		}
	}
	return nil
}
