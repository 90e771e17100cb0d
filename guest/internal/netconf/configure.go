package netconf

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/identity"
)

const nicLimit = 5 * time.Second

// Loopback sets lo up; the kernel gives it its addresses.
func Loopback() error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.close()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	return s.setLink(lo.Index, 0, nil)
}

// Configure gives the interface with the right MAC its address and routes and
// returns its name. Doing it again changes nothing.
func Configure(n *identity.Network) (string, error) {
	nic, err := waitForNIC(n.MAC, nicLimit)
	if err != nil {
		return "", err
	}
	return nic.Name, apply(nic.Index, n, nil)
}

func apply(index int, n *identity.Network, mac []byte) error {
	s, err := open()
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.setLink(index, n.MTU, mac); err != nil {
		return fmt.Errorf("network interface %s up: %w", n.MAC, err)
	}
	if err := s.address(unix.RTM_NEWADDR, index, n.Address); err != nil {
		return fmt.Errorf("network address %s: %w", n.Address, err)
	}
	if n.Gateway.IsValid() {
		if err := s.defaultRoute(index, n.Gateway, !n.Address.Contains(n.Gateway)); err != nil {
			return fmt.Errorf("default route via %s: %w", n.Gateway, err)
		}
	}
	return s.apply6(index, n)
}

// apply6 does nothing in a guest whose kernel has no IPv6, or where it is switched off.
func (s *socket) apply6(index int, n *identity.Network) error {
	if !n.Address6.IsValid() {
		return nil
	}
	if err := s.address(unix.RTM_NEWADDR, index, n.Address6); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES) {
			return nil
		}
		return fmt.Errorf("network address %s: %w", n.Address6, err)
	}
	if !n.Gateway6.IsValid() {
		return nil
	}
	if err := s.defaultRoute(index, n.Gateway6, !n.Address6.Contains(n.Gateway6)); err != nil {
		return fmt.Errorf("default route via %s: %w", n.Gateway6, err)
	}
	return nil
}

// Readdress moves a running guest to another address: the interface takes the
// new MAC when it does not have it yet. The returned function removes the old
// addresses, after the connection that asked for this has its answer.
func Readdress(n *identity.Network) (name string, removeOld func(), err error) {
	var mac []byte
	nic, err := findNIC(n.MAC)
	if err != nil {
		return "", nil, err
	}
	if nic == nil {
		if nic, err = firstNIC(); err != nil {
			return "", nil, err
		}
		mac = n.MAC
	}
	old, err := nic.Addrs()
	if err != nil {
		return "", nil, err
	}
	if err := apply(nic.Index, n, mac); err != nil {
		return "", nil, err
	}
	return nic.Name, func() { removeAddresses(nic.Index, old, n.Addresses()) }, nil
}

func removeAddresses(index int, old []net.Addr, keep []netip.Prefix) {
	s, err := open()
	if err != nil {
		return
	}
	defer s.close()
	for _, a := range old {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !slices.Contains(keep, prefix) && !prefix.Addr().IsLinkLocalUnicast() {
			_ = s.address(unix.RTM_DELADDR, index, prefix) // gone already: fine
		}
	}
}

func waitForNIC(mac identity.MAC, limit time.Duration) (*net.Interface, error) {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		nic, err := findNIC(mac)
		if nic != nil || err != nil {
			return nic, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("network interface with MAC %s did not appear within %s", mac, limit)
		}
		time.Sleep(pause)
	}
}

func findNIC(mac identity.MAC) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if bytes.Equal(all[i].HardwareAddr, mac) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// firstNIC is the guest's Ethernet interface whatever its MAC: one that has an
// address already goes before bridges and the like that the guest has made.
func firstNIC() (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for i := range all {
		if len(all[i].HardwareAddr) == 6 && all[i].Flags&net.FlagLoopback == 0 {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("the guest has no network interface")
}
