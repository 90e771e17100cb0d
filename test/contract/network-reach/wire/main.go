// wire stands in for guests in the tests of networks: it carries frames between a TAP of the host and one in a guest's
// network namespace, as a hypervisor would, answers at a port, and tries who can be reached.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: wire join TAP NAMESPACE | wire listen NAME PORT | wire probe SOURCE TARGET... | wire echo PORT | wire talk ADDRESS:PORT"))
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "join":
		join(args[0], args[1])
	case "listen":
		listen(args[0], args[1])
	case "probe":
		probe(args[0], args[1:])
	case "echo":
		echoLines(args[0])
	case "talk":
		talk(args[0])
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "wire:", err)
	os.Exit(1)
}

const (
	tunSetIff    = 0x400454ca
	tapFlags     = 0x0002 | 0x1000 | 0x4000 // IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
	sysSetnsNet  = 0x40000000
	largestFrame = 70000
)

// join opens the host's TAP here and makes "eth0" in the namespace, then copies frames both ways for ever.
func join(device, namespace string) {
	runtime.LockOSThread()
	host, err := openTap(device)
	if err != nil {
		fail(err)
	}
	space, err := os.Open(namespace)
	if err != nil {
		fail(err)
	}
	if _, _, errno := syscall.RawSyscall(setnsNumber, space.Fd(), sysSetnsNet, 0); errno != 0 {
		fail(errno)
	}
	guest, err := openTap("eth0")
	if err != nil {
		fail(err)
	}
	fmt.Println("joined")
	go carry(host, guest)
	carry(guest, host)
}

func openTap(device string) (*os.File, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	request := make([]byte, 40)
	copy(request, device)
	binary.NativeEndian.PutUint16(request[16:], tapFlags)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), tunSetIff, uintptr(unsafe.Pointer(&request[0])))
	if errno != 0 {
		return nil, fmt.Errorf("TAP %s: %w", device, errno)
	}
	return os.NewFile(uintptr(fd), device), nil
}

func carry(from, to *os.File) {
	frame := make([]byte, largestFrame)
	for {
		n, err := from.Read(frame)
		if err != nil {
			time.Sleep(time.Millisecond) // the interface is down
			continue
		}
		_, _ = to.Write(frame[:n]) // a frame that the other side does not take is lost, as on a wire
	}
}

// listen answers over TCP and UDP with its name and the asker's address; what UDP asks is told on standard output.
func listen(name, port string) {
	tcp, err := net.Listen("tcp4", "0.0.0.0:"+port)
	if err != nil {
		fail(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		fail(err)
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{Port: number})
	if err != nil {
		fail(err)
	}
	fmt.Println("listening")
	go func() {
		for {
			if conn, err := tcp.Accept(); err == nil {
				fmt.Fprintf(conn, "%s %s", name, addressOf(conn.RemoteAddr()))
				conn.Close()
			}
		}
	}()
	go answerDatagrams(name, udp)
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}

// answerDatagrams answers from the address that was asked, not from whichever the route back suggests.
func answerDatagrams(name string, udp *net.UDPConn) {
	raw, err := udp.SyscallConn()
	if err != nil {
		fail(err)
	}
	_ = raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
	})
	if err != nil {
		fail(err)
	}
	message, control := make([]byte, 2048), make([]byte, 128)
	for {
		n, m, _, peer, err := udp.ReadMsgUDP(message, control)
		if err != nil {
			continue
		}
		fmt.Printf("heard %s\n", message[:n])
		// struct in_pktinfo after the header: interface, address of ours, address asked. Interface 0: any.
		if m >= syscall.SizeofCmsghdr+12 {
			clear(control[syscall.SizeofCmsghdr : syscall.SizeofCmsghdr+4])
		}
		_, _, _ = udp.WriteMsgUDP([]byte(name+" "+addressOf(peer)), control[:m], peer)
	}
}

func addressOf(address net.Addr) string {
	host, _, _ := net.SplitHostPort(address.String())
	return host
}

const patience = 1500 * time.Millisecond

// probe tries all targets ("tcp:ADDRESS:PORT", "udp:ADDRESS:PORT", "icmp:ADDRESS") at once and prints who answered what
// as JSON; "" for nobody. An empty source leaves the choice to the kernel.
func probe(source string, targets []string) {
	answers := map[string]string{}
	var lock sync.Mutex
	var all sync.WaitGroup
	for _, target := range targets {
		all.Add(1)
		go func() {
			defer all.Done()
			kind, address, _ := strings.Cut(target, ":")
			answer := try(kind, source, address)
			lock.Lock()
			answers[target] = answer
			lock.Unlock()
		}()
	}
	all.Wait()
	_ = json.NewEncoder(os.Stdout).Encode(answers)
}

func try(kind, source, address string) string {
	dialer := net.Dialer{Timeout: patience}
	ip := net.ParseIP(source)
	switch kind {
	case "tcp":
		if ip != nil {
			dialer.LocalAddr = &net.TCPAddr{IP: ip}
		}
		conn, err := dialer.Dial("tcp4", address)
		if err != nil {
			return ""
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		answer, _ := io.ReadAll(conn)
		return string(answer)
	case "udp":
		if ip != nil {
			dialer.LocalAddr = &net.UDPAddr{IP: ip}
		}
		return ask(dialer, "udp4", address, []byte("probe "+source), func(answer []byte) bool { return len(answer) > 0 })
	default:
		if ip != nil {
			dialer.LocalAddr = &net.IPAddr{IP: ip}
		}
		// Until it is connected, the socket also gets answers to others: each question has its own words.
		question := echo(address)
		isReply := func(answer []byte) bool {
			if len(answer) > 20 && answer[0]>>4 == 4 {
				answer = answer[int(answer[0]&15)*4:] // a raw socket shows the header too
			}
			return len(answer) > 8 && answer[0] == 0 && string(answer[8:]) == string(question[8:])
		}
		if answer := ask(dialer, "ip4:icmp", address, question, isReply); answer != "" {
			return "icmp"
		}
		return ""
	}
}

// ask sends the question several times, since nobody else repeats it, until something that fits comes back.
func ask(dialer net.Dialer, network, address string, question []byte, fits func([]byte) bool) string {
	conn, err := dialer.Dial(network, address)
	if err != nil {
		return ""
	}
	defer conn.Close()
	end := time.Now().Add(patience)
	answer := make([]byte, 2048)
	for time.Now().Before(end) {
		_, _ = conn.Write(question)
		_ = conn.SetReadDeadline(time.Now().Add(patience / 5))
		for {
			n, err := conn.Read(answer)
			if err != nil {
				if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
					time.Sleep(patience / 10) // refused: perhaps only the first time
				}
				break
			}
			if fits(answer[:n]) {
				return string(answer[:n])
			}
		}
	}
	return ""
}

func echo(address string) []byte {
	packet := append([]byte{8, 0, 0, 0, 0, 0, 0, 1}, "is anybody at "+address...)
	binary.BigEndian.PutUint16(packet[4:], uint16(os.Getpid()))
	binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	return packet
}

func checksum(packet []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(packet); i += 2 {
		word := uint32(packet[i]) << 8
		if i+1 < len(packet) {
			word |= uint32(packet[i+1])
		}
		sum += word
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
