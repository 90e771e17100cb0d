// reach finds out who reaches whom: `reach serve` greets on TCP port 7000 and echoes on UDP port 7000, `reach echo` echoes on
// both, `reach try ADDRESS...` tries each
// address with TCP, UDP and ICMP at once and prints "tcp ADDRESS yes" and so on.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

const port = ":7000"
const limit = 1500 * time.Millisecond

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		serve(greet)
	case len(os.Args) == 2 && os.Args[1] == "echo":
		serve(echo)
	case len(os.Args) > 2 && os.Args[1] == "try":
		try(os.Args[2:])
	default:
		fmt.Fprintln(os.Stderr, "usage: reach serve | reach echo | reach try ADDRESS[:PORT]...")
		os.Exit(2)
	}
}

func serve(answer func(net.Conn)) {
	packets, err := net.ListenPacket("udp4", port)
	fail(err)
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := packets.ReadFrom(buffer)
			fail(err)
			_, _ = packets.WriteTo(buffer[:n], from) // the asker may be gone
		}
	}()
	listener, err := net.Listen("tcp4", port)
	fail(err)
	for {
		connection, err := listener.Accept()
		fail(err)
		go answer(connection)
	}
}

func greet(connection net.Conn) {
	_, _ = connection.Write([]byte("hello")) // the asker may be gone
	_ = connection.Close()
}

func echo(connection net.Conn) {
	_, _ = io.Copy(connection, connection)
	_ = connection.Close()
}

func try(targets []string) {
	var all sync.WaitGroup
	results := make([][3]bool, len(targets))
	for i, target := range targets {
		address, where := target, target+port
		if host, _, err := net.SplitHostPort(target); err == nil {
			address, where = host, target
		}
		all.Go(func() { results[i][0] = answers("tcp4", where) })
		all.Go(func() { results[i][1] = answers("udp4", where) })
		all.Go(func() { results[i][2] = exec.Command("ping", "-c", "1", "-W", "1", address).Run() == nil })
	}
	all.Wait()
	for i, target := range targets {
		for kind, protocol := range []string{"tcp", "udp", "icmp"} {
			word := "no"
			if results[i][kind] {
				word = "yes"
			}
			fmt.Println(protocol, target, word)
		}
	}
}

// answers tells whether the server's word comes back.
func answers(network, where string) bool {
	connection, err := net.DialTimeout(network, where, limit)
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(limit))
	if network == "udp4" {
		_, _ = connection.Write([]byte("hello")) // a refusal shows when reading
	}
	buffer := make([]byte, 16)
	n, err := connection.Read(buffer)
	return err == nil && string(buffer[:n]) == "hello"
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
