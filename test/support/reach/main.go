// reach finds out who reaches whom: `reach serve` greets on TCP port 7000, echoes on TCP port 7001 and UDP port 7000 and
// prints what UDP brings, `reach echo` echoes on TCP port 7000, `reach try ADDRESS[:PORT]...` tries each
// address with TCP, UDP and ICMP at once and prints "tcp ADDRESS yes" and so on, `reach hold COUNT ADDRESS:PORT` opens so many
// connections at once to one that echoes and prints how many answer while all are open.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	port     = ":7000"
	echoPort = ":7001"
)

const limit = 1500 * time.Millisecond

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		go serveTCP(echoPort, echo)
		go serveUDP()
		serveTCP(port, greet)
	case len(os.Args) == 2 && os.Args[1] == "echo":
		go serveUDP()
		serveTCP(port, echo)
	case len(os.Args) > 2 && os.Args[1] == "try":
		try(os.Args[2:])
	case len(os.Args) == 4 && os.Args[1] == "hold":
		count, err := strconv.Atoi(os.Args[2])
		fail(err)
		fmt.Println(hold(count, os.Args[3]))
	default:
		fmt.Fprintln(os.Stderr, "usage: reach serve | reach echo | reach try ADDRESS[:PORT]... | reach hold COUNT ADDRESS:PORT")
		os.Exit(2)
	}
}

func serveUDP() {
	packets, err := net.ListenPacket("udp", port)
	fail(err)
	buffer := make([]byte, 1500)
	for {
		n, from, err := packets.ReadFrom(buffer)
		fail(err)
		fmt.Printf("heard %q\n", buffer[:n])
		_, _ = packets.WriteTo(buffer[:n], from) // the asker may be gone
	}
}

func serveTCP(at string, answer func(net.Conn)) {
	listener, err := net.Listen("tcp", at)
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
		address, where := target, net.JoinHostPort(target, port[1:])
		if host, _, err := net.SplitHostPort(target); err == nil {
			address, where = host, target
		}
		all.Go(func() { results[i][0] = answers("tcp", where) })
		all.Go(func() { results[i][1] = answers("udp", where) })
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

// hold gives how many of so many connections, all open, bring their words back.
func hold(count int, where string) int {
	connections := make([]net.Conn, count)
	inTurn := make(chan struct{}, 100) // as many as a listener of any size takes at once
	each(count, func(i int) {
		inTurn <- struct{}{}
		defer func() { <-inTurn }()
		connections[i], _ = net.DialTimeout("tcp", where, 30*time.Second) // counted below
	})
	var answered atomic.Int64
	each(count, func(i int) {
		if connections[i] == nil {
			return
		}
		_ = connections[i].SetDeadline(time.Now().Add(60 * time.Second))
		words := fmt.Appendf(nil, "connection %d", i)
		_, _ = connections[i].Write(words) // shows when reading
		back := make([]byte, len(words))
		if _, err := io.ReadFull(connections[i], back); err == nil && bytes.Equal(words, back) {
			answered.Add(1)
		}
	})
	return int(answered.Load())
}

func each(count int, body func(int)) {
	var all sync.WaitGroup
	for i := range count {
		all.Go(func() { body(i) })
	}
	all.Wait()
}

// answers tells whether the server's word comes back.
func answers(network, where string) bool {
	connection, err := net.DialTimeout(network, where, limit)
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(limit))
	if network == "udp" {
		ask := func() { _, _ = connection.Write([]byte("hello")) } // a refusal shows when reading
		ask()
		defer time.AfterFunc(limit/2, ask).Stop() // nobody else repeats it
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
