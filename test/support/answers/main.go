// answers is a name server whose answers change: `answers ADDRESS:PORT NAME=ADDRESS[,ADDRESS...]...` answers each question
// for an IPv4 address of the name with the next of its addresses, the last one for ever, to be kept no time at all.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

const (
	headerBytes = 12
	typeA       = 1
	noSuchName  = 3
)

func main() {
	names := map[string][]netip.Addr{}
	for _, pair := range os.Args[2:] {
		name, list, _ := strings.Cut(pair, "=")
		for _, text := range strings.Split(list, ",") {
			names[name] = append(names[name], netip.MustParseAddr(text))
		}
	}
	server, err := net.ListenPacket("udp4", os.Args[1])
	fail(err)
	question := make([]byte, 1500)
	for {
		n, from, err := server.ReadFrom(question)
		fail(err)
		if answer := answerTo(question[:n], names); answer != nil {
			_, _ = server.WriteTo(answer, from) // the asker asks again
		}
	}
}

// answerTo answers the first question of a message (RFC 1035, 4.1) and takes the address that it gave; nil for nonsense.
func answerTo(message []byte, names map[string][]netip.Addr) []byte {
	labels, at := []string{}, headerBytes
	for at < len(message) && message[at] != 0 && at+1+int(message[at]) < len(message) {
		labels = append(labels, string(message[at+1:at+1+int(message[at])]))
		at += 1 + int(message[at])
	}
	if at+5 > len(message) {
		return nil
	}
	kind, end := binary.BigEndian.Uint16(message[at+1:]), at+5
	name := strings.ToLower(strings.Join(labels, "."))
	addresses, known := names[name]
	answer := append([]byte{}, message[:end]...)
	answer[2], answer[3] = 0x84|message[2]&1, 0x80 // an answer with authority; what was desired, is
	copy(answer[4:headerBytes], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	switch {
	case !known:
		answer[3] |= noSuchName
	case kind == typeA:
		answer[7] = 1
		answer = append(answer, 0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4) // the name above, no time to live
		answer = append(answer, addresses[0].AsSlice()...)
		if len(addresses) > 1 {
			names[name] = addresses[1:]
		}
	}
	return answer
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(1)
	}
}
