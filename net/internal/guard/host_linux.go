package guard

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// ReadHost asks the kernel, and with one question for all addresses, since this comes before every connection. What
// there is of an interface is in as many parts as it has addresses.
func ReadHost() (Host, error) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return Host{}, fmt.Errorf("read the host's addresses: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return Host{}, fmt.Errorf("read the host's addresses: %w", err)
	}
	host := Host{Interfaces: make([]Interface, 0, len(messages))}
	names := map[uint32]string{}
	for i := range messages {
		message := &messages[i]
		if message.Header.Type != syscall.RTM_NEWADDR || len(message.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(message)
		if err != nil {
			return Host{}, fmt.Errorf("read an address of the host: %w", err)
		}
		one, ok := interfaceOf(attributes, int(message.Data[1]))
		if !ok {
			continue
		}
		// Only IPv4 addresses carry the name, and come first.
		index := binary.NativeEndian.Uint32(message.Data[4:])
		if one.Name == "" {
			one.Name = cmp.Or(names[index], "interface "+strconv.Itoa(int(index)))
		}
		names[index] = one.Name
		host.Interfaces = append(host.Interfaces, one)
	}
	return host, nil
}

// interfaceOf reads what follows an ifaddrmsg (rtnetlink(7)) with that length of prefix.
func interfaceOf(attributes []syscall.NetlinkRouteAttr, bits int) (one Interface, ok bool) {
	var local, address netip.Addr
	for _, attribute := range attributes {
		switch attribute.Attr.Type {
		case syscall.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(attribute.Value)
		case syscall.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(attribute.Value)
		case syscall.IFA_LABEL:
			one.Name = strings.TrimRight(string(attribute.Value), "\x00")
		}
	}
	if local.IsValid() {
		address = local // the other one is the far end's, where there are two ends
	}
	one.Prefixes = []netip.Prefix{netip.PrefixFrom(address, bits)}
	return one, address.IsValid()
}
