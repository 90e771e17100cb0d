package main

import (
	_ "github.com/miekg/dns"
	_ "golang.org/x/net/http2"
	_ "golang.org/x/sys/unix"
	_ "gvisor.dev/gvisor/pkg/tcpip/stack"
)
