package agent

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func needVsock(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(vsockDevice); err != nil {
		t.Skipf("no vsock here: %v", err)
	}
}

func TestVsockListensForEveryAddressOfTheMachine(t *testing.T) {
	needVsock(t)
	const port = 4_000_000_001
	l, err := listenVsock(port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it may be closed already
	local, err := unix.Getsockname(int(l.(*listener).file.Fd()))
	vm, ok := local.(*unix.SockaddrVM)
	if err != nil || !ok || vm.CID != unix.VMADDR_CID_ANY || vm.Port != port {
		t.Fatalf("%+v, %v", local, err)
	}
	if _, err := listenVsock(port); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("the same port twice: %v", err)
	}
}

func TestALostVsockDoesNotKeepTheAgentFromTCP(t *testing.T) {
	needVsock(t)
	const taken = 4_000_000_002
	first, err := listenVsock(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close() //nolint:errcheck // only read
	listeners, err := Listen([]string{"vsock:4000000002", "tcp:0"})
	if err != nil || len(listeners) != 1 || listeners[0].Addr().Network() != "tcp" {
		t.Fatalf("%v, %v", listeners, err)
	}
	_ = listeners[0].Close()
	if _, err := Listen([]string{"vsock:4000000002"}); err == nil || !strings.Contains(err.Error(), "vsock:4000000002") {
		t.Errorf("%v", err)
	}
}

func TestAMissingVsockDeviceIsToldOf(t *testing.T) {
	addresses := []string{"tcp:1022", "vsock:1022"}
	answer := func(cid uint32, err error) string {
		return strings.Join(doubts(addresses, func() (uint32, error) { return cid, err }), "\n")
	}
	if got := answer(3, nil); got != "" {
		t.Errorf("with a device: %q", got)
	}
	if got := answer(unix.VMADDR_CID_ANY, nil); got != "vsock:1022 cannot be reached: this machine has no vsock device, or not yet" {
		t.Errorf("without a device: %q", got)
	}
	if got := answer(0, errors.New("open /dev/vsock: no such file")); !strings.Contains(got, "vsock:1022 cannot be reached: open /dev/vsock") {
		t.Errorf("without a driver: %q", got)
	}
	if got := Doubts([]string{"tcp:1022"}); len(got) != 0 {
		t.Errorf("without vsock being asked for: %q", got)
	}
}

func TestTheMachinesOwnVsockAddressCanBeRead(t *testing.T) {
	needVsock(t)
	if cid, err := localCID(); err != nil || cid < 2 {
		t.Errorf("%d, %v", cid, err)
	}
}
