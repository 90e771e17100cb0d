package guest

import (
	"context"
	"io"
	"testing"
	"time"
)

// A machine that ends says so to nobody: whoever waits for it must not wait for as long as TCP would.
func TestConnectionsEndWithTheMachineThatTheyLeadTo(t *testing.T) {
	world := newWorld(nil)
	vm, machine := start(t, world, settingsFor(t, 1))
	echoIn(t, machine, toStack(vm.addresses.Own), 1022)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := vm.Dial(ctx, 1022)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	machine.HangUp()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	if timeout, ok := err.(interface{ Timeout() bool }); err == nil || ok && timeout.Timeout() {
		t.Fatalf("the connection goes on: %v", err)
	}
	next, err := vm.Dial(ctx, 1022)
	if err != nil {
		t.Fatalf("nobody is reached once the machine is back: %v", err)
	}
	next.Close()
}
