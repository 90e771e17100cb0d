// rogue is what a guest's root may do to its network, frame by frame, past its own kernel:
// `rogue knock ADDRESS PORT` asks for a TCP connection and prints "open", "reset", "unreachable" or "silent";
// `rogue pretend MAC ADDRESS TARGET` sends a UDP datagram "forged" to port 7000 of the target, from a MAC and an address that are another's;
// `rogue flood syn|udp|ping|fragments|noise SECONDS TARGET` sends such frames as fast as it can and prints how many.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	patience = 1500 * time.Millisecond
	tcp      = 6
	udp      = 17
	icmp     = 1
	icmp6    = 58
)

func main() {
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "knock":
		fmt.Println(openWire().knock(netip.MustParseAddr(args[1]), number(args[2])))
	case len(args) == 4 && args[0] == "pretend":
		w := openWire()
		mac, err := net.ParseMAC(args[1])
		fail(err)
		target := netip.MustParseAddr(args[3])
		w.send(mac, packet(netip.MustParseAddr(args[2]), target, udp, 0, datagram(7000, []byte("forged"))))
	case len(args) == 4 && args[0] == "flood":
		fmt.Println(openWire().flood(args[1], time.Duration(number(args[2]))*time.Second, netip.MustParseAddr(args[3])))
	default:
		fail(fmt.Errorf("usage: rogue knock ADDRESS PORT | rogue pretend MAC ADDRESS TARGET | rogue flood KIND SECONDS TARGET"))
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	fail(err)
	return n
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "rogue:", err)
		os.Exit(1)
	}
}

// wire is a packet socket on eth0 (packet(7)), and what is at both of its ends.
type wire struct {
	socket   int
	index    int
	own      net.HardwareAddr
	gateway  net.HardwareAddr
	address  netip.Addr
	address6 netip.Addr
}

func openWire() *wire {
	card, err := net.InterfaceByName("eth0")
	fail(err)
	const all = 0x0300 // ETH_P_ALL in the network's order
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, all)
	fail(err)
	fail(syscall.Bind(socket, &syscall.SockaddrLinklayer{Protocol: all, Ifindex: card.Index}))
	w := &wire{socket: socket, index: card.Index, own: card.HardwareAddr}
	own, err := card.Addrs()
	fail(err)
	for _, one := range own {
		address := netip.MustParsePrefix(one.String()).Addr()
		switch {
		case address.Is4():
			w.address = address
		case !address.IsLinkLocalUnicast():
			w.address6 = address
		}
	}
	w.gateway = gatewayOf(w.address)
	return w
}

// gatewayOf has the kernel find the MAC of the first address in the block of eight, and reads it.
func gatewayOf(own netip.Addr) net.HardwareAddr {
	bytes := own.As4()
	bytes[3] = bytes[3]&^7 + 1
	gateway := netip.AddrFrom4(bytes).String()
	for range 20 {
		if connection, err := net.Dial("udp4", gateway+":9"); err == nil {
			_, _ = connection.Write([]byte{0}) // only so that the kernel asks
			_ = connection.Close()
		}
		time.Sleep(50 * time.Millisecond)
		table, err := os.Open("/proc/net/arp")
		fail(err)
		for lines := bufio.NewScanner(table); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if mac, err := net.ParseMAC(fields[3]); err == nil && fields[0] == gateway && mac.String() != "00:00:00:00:00:00" {
				return mac
			}
		}
		_ = table.Close()
	}
	fail(fmt.Errorf("%s has no MAC", gateway))
	return nil
}

// send puts an IP packet on the wire, to the gateway.
func (w *wire) send(from net.HardwareAddr, content []byte) {
	kind := []byte{8, 0}
	if content[0]>>4 == 6 {
		kind = []byte{0x86, 0xdd}
	}
	frame := append(append(append(append([]byte{}, w.gateway...), from...), kind...), content...)
	_ = syscall.Sendto(w.socket, frame, 0, &syscall.SockaddrLinklayer{Ifindex: w.index}) // full: as lost on the way
}

func (w *wire) knock(target netip.Addr, port int) string {
	own := w.address
	if target.Is6() {
		own = w.address6
	}
	source := 20000 + rand.IntN(10000)
	question := packet(own, target, tcp, 0, syn(own, target, source, port))
	timeout := syscall.NsecToTimeval(int64(patience / 5))
	fail(syscall.SetsockoptTimeval(w.socket, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout))
	frame := make([]byte, 70000)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		w.send(w.own, question)
		for asked := time.Now(); time.Since(asked) < patience/5; {
			n, _, err := syscall.Recvfrom(w.socket, frame, 0)
			if err != nil {
				break
			}
			if word := verdict(frame[:n], source, target); word != "" {
				return word
			}
		}
	}
	return "silent"
}

// verdict reads an answer to the connection that was asked for from the port; "" for any other frame.
func verdict(frame []byte, port int, target netip.Addr) string {
	if len(frame) < 14+40 {
		return ""
	}
	protocol, body := open(frame[14:])
	asked := func(at int) bool { return len(body) >= at+2 && int(binary.BigEndian.Uint16(body[at:])) == port }
	switch {
	case protocol == tcp && asked(2) && len(body) > 13 && body[13]&4 != 0:
		return "reset"
	case protocol == tcp && asked(2) && len(body) > 13 && body[13]&0x12 == 0x12:
		return "open"
	case target.Is4() && protocol == icmp && asked(8+20) && body[0] == 3, target.Is6() && protocol == icmp6 && asked(8+40) && body[0] == 1:
		return "unreachable" // it quotes the packet that was sent
	}
	return ""
}

// open gives the protocol and the content of an IP packet.
func open(packet []byte) (int, []byte) {
	header, protocol := 40, int(packet[6])
	if packet[0]>>4 == 4 {
		header, protocol = int(packet[0]&15)*4, int(packet[9])
	}
	return protocol, packet[min(header, len(packet)):]
}

func (w *wire) flood(kind string, limit time.Duration, target netip.Addr) int {
	count := 0
	for end := time.Now().Add(limit); time.Now().Before(end); count++ {
		random := make([]byte, 1400)
		binary.NativeEndian.PutUint64(random[rand.IntN(1300):], rand.Uint64())
		switch kind {
		case "syn":
			w.send(w.own, packet(w.address, target, tcp, 0, syn(w.address, target, rand.IntN(65536), 7000)))
		case "udp":
			w.send(w.own, packet(w.address, target, udp, 0, datagram(rand.IntN(65536), random[:rand.IntN(1400)])))
		case "ping":
			w.oversizePing(target)
		case "fragments": // none of which ever makes a whole
			w.send(w.own, packet(w.address, target, udp, 0x2000|rand.IntN(8000), random))
		case "noise":
			for i := range random {
				random[i] = byte(rand.Uint32())
			}
			random[0] = 0x40 | random[0]&15 + byte(rand.IntN(2))<<5
			w.send(w.own, random[:1+rand.IntN(1399)])
		default:
			fail(fmt.Errorf("unknown flood %q", kind))
		}
	}
	return count
}

// oversizePing sends fragments of an echo request that is larger, put together, than a packet may be.
func (w *wire) oversizePing(target netip.Addr) {
	part := make([]byte, 1400)
	part[0] = 8 // echo request
	for offset := 0; offset < 65536; offset += len(part) {
		w.send(w.own, packet(w.address, target, icmp, 0x2000|offset/8, part))
		part[0] = 0
	}
}

// packet puts the header of IPv4 or IPv6 before the content. `fragment` is IPv4's flags and offset.
func packet(from, to netip.Addr, protocol, fragment int, content []byte) []byte {
	if to.Is6() {
		header := []byte{0x60, 0, 0, 0, byte(len(content) >> 8), byte(len(content)), byte(protocol), 64}
		return append(append(append(header, from.AsSlice()...), to.AsSlice()...), content...)
	}
	header := make([]byte, 20)
	header[0], header[8], header[9] = 0x45, 64, byte(protocol)
	binary.BigEndian.PutUint16(header[2:], uint16(20+len(content)))
	binary.BigEndian.PutUint16(header[4:], 7) // one id for all fragments
	binary.BigEndian.PutUint16(header[6:], uint16(fragment))
	copy(header[12:], from.AsSlice())
	copy(header[16:], to.AsSlice())
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	return append(header, content...)
}

func syn(from, to netip.Addr, source, port int) []byte {
	segment := make([]byte, 20)
	binary.BigEndian.PutUint16(segment, uint16(source))
	binary.BigEndian.PutUint16(segment[2:], uint16(port))
	binary.BigEndian.PutUint32(segment[4:], rand.Uint32())
	segment[12], segment[13] = 0x50, 2
	binary.BigEndian.PutUint16(segment[14:], 65535)
	// The pseudo-header's sum is the same for both families: the lengths and the protocol fit in one word each.
	pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, tcp, 0, byte(len(segment)))
	binary.BigEndian.PutUint16(segment[16:], checksum(append(pseudo, segment...)))
	return segment
}

// datagram has no checksum: IPv4 does not ask for one.
func datagram(port int, content []byte) []byte {
	header := make([]byte, 8)
	binary.BigEndian.PutUint16(header, 7001)
	binary.BigEndian.PutUint16(header[2:], uint16(port))
	binary.BigEndian.PutUint16(header[4:], uint16(8+len(content)))
	return append(header, content...)
}

func checksum(content []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(content); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(content[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
