// Package netconf gives the guest's interface its address without any tool of
// the image.
package netconf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// socket speaks the few rtnetlink requests that a static address needs.
type socket struct {
	fd  int
	seq uint32
}

func open() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	return &socket{fd: fd}, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

func attribute(kind uint16, data []byte) []byte {
	length := unix.SizeofRtAttr + len(data)
	out := make([]byte, (length+3)&^3)
	binary.NativeEndian.PutUint16(out, uint16(length))
	binary.NativeEndian.PutUint16(out[2:], kind)
	copy(out[unix.SizeofRtAttr:], data)
	return out
}

func uint32Bytes(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// request sends one message and returns the kernel's verdict.
func (s *socket) request(kind, flags uint16, header []byte, attributes ...[]byte) error {
	s.seq++
	body := header
	for _, a := range attributes {
		body = append(body, a...)
	}
	msg := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(body))
	binary.NativeEndian.PutUint32(msg, uint32(unix.SizeofNlMsghdr+len(body)))
	binary.NativeEndian.PutUint16(msg[4:], kind)
	binary.NativeEndian.PutUint16(msg[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	binary.NativeEndian.PutUint32(msg[8:], s.seq)
	if err := unix.Sendto(s.fd, append(msg, body...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("netlink send", err)
	}
	return s.acknowledge()
}

func (s *socket) acknowledge() error {
	buf := make([]byte, os.Getpagesize())
	for {
		n, _, err := unix.Recvfrom(s.fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("netlink receive", err)
		}
		if n < unix.SizeofNlMsghdr+4 {
			return errors.New("netlink: short answer")
		}
		if binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR || binary.NativeEndian.Uint32(buf[8:]) != s.seq {
			continue
		}
		if code := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); code != 0 {
			return unix.Errno(-code)
		}
		return nil
	}
}

// setLink brings an interface up and sets what is given of mtu and mac.
func (s *socket) setLink(index, mtu int, mac []byte) error {
	header := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	binary.NativeEndian.PutUint32(header[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(header[12:], unix.IFF_UP)
	var attributes [][]byte
	if mtu > 0 {
		attributes = append(attributes, attribute(unix.IFLA_MTU, uint32Bytes(uint32(mtu))))
	}
	if mac != nil {
		attributes = append(attributes, attribute(unix.IFLA_ADDRESS, mac))
	}
	return s.request(unix.RTM_NEWLINK, 0, header, attributes...)
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// address adds or removes an interface address.
func (s *socket) address(kind uint16, index int, prefix netip.Prefix) error {
	ip := prefix.Addr().AsSlice()
	var flags byte
	if prefix.Addr().Is6() {
		flags = unix.IFA_F_NODAD // the host has assigned it; nobody else has it
	}
	header := []byte{family(prefix.Addr()), byte(prefix.Bits()), flags, unix.RT_SCOPE_UNIVERSE}
	header = append(header, uint32Bytes(uint32(index))...)
	attributes := [][]byte{attribute(unix.IFA_LOCAL, ip), attribute(unix.IFA_ADDRESS, ip)}
	if prefix.Addr().Is4() && prefix.Bits() < 31 {
		attributes = append(attributes, attribute(unix.IFA_BROADCAST, broadcast(prefix)))
	}
	var nlFlags uint16
	if kind == unix.RTM_NEWADDR {
		nlFlags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return s.request(kind, nlFlags, header, attributes...)
}

func broadcast(prefix netip.Prefix) []byte {
	ip := prefix.Masked().Addr().As4()
	host := uint32(1)<<(32-prefix.Bits()) - 1
	return binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(ip[:])|host)
}

// defaultRoute sets the default gateway, which may lie outside the prefix.
func (s *socket) defaultRoute(index int, gateway netip.Addr, onLink bool) error {
	header := make([]byte, unix.SizeofRtMsg)
	header[0] = family(gateway)
	header[4] = unix.RT_TABLE_MAIN
	header[5] = unix.RTPROT_STATIC
	header[6] = unix.RT_SCOPE_UNIVERSE
	header[7] = unix.RTN_UNICAST
	if onLink {
		binary.NativeEndian.PutUint32(header[8:], unix.RTNH_F_ONLINK)
	}
	return s.request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, header,
		attribute(unix.RTA_GATEWAY, gateway.AsSlice()), attribute(unix.RTA_OIF, uint32Bytes(uint32(index))))
}
