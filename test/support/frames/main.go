// frames is a network of one wire: `frames PATH` takes Ethernet frames as datagrams at a Unix socket, and answers each ARP
// request by the address that it asked for. It prints "asked ADDRESS" for each, and "greeted" for what is too short for a frame.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
)

var (
	mac = []byte{0x52, 0x54, 0, 1, 2, 3}
	// Ethernet over IPv4, a request (RFC 826).
	request = []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1}
)

const (
	header  = 14
	message = 28
)

func main() {
	wire, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: os.Args[1], Net: "unixgram"})
	fail(err)
	frame := make([]byte, 65536)
	for {
		count, from, err := wire.ReadFromUnix(frame)
		fail(err)
		if count < header {
			fmt.Println("greeted")
		}
		if count < header+message || !bytes.Equal(frame[12:22], request) {
			continue
		}
		fmt.Println("asked", net.IP(frame[38:42]))
		_, err = wire.WriteToUnix(answer(frame), from)
		fail(err)
	}
}

func answer(question []byte) []byte {
	asker, wanted := question[22:32], question[38:42]
	all := [][]byte{question[6:12], mac, request[:9], {2}, mac, wanted, asker}
	return bytes.Join(all, nil)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
