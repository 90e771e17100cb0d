package main

import (
	"fmt"
	"io"
	"net"
	"time"
)

// echoLines gives back over TCP what it gets, for as long as the other side likes.
func echoLines(port string) {
	listener, err := net.Listen("tcp4", "0.0.0.0:"+port)
	if err != nil {
		fail(err)
	}
	fmt.Println("listening")
	for {
		if conn, err := listener.Accept(); err == nil {
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}
}

// talk keeps one TCP connection busy with echoLines, and tells each answer; "ended" when the connection does.
func talk(address string) {
	conn, err := net.DialTimeout("tcp4", address, patience)
	if err != nil {
		fail(err)
	}
	fmt.Println("talking")
	answer := make([]byte, 1)
	for {
		_ = conn.SetDeadline(time.Now().Add(10 * patience))
		if _, err := conn.Write([]byte(".")); err != nil {
			break
		}
		if _, err := conn.Read(answer); err != nil {
			break
		}
		fmt.Println("answered")
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Println("ended")
	time.Sleep(time.Hour) // whoever started it ends it
}
