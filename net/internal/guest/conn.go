package guest

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Conn is a connection with a guest, from this end of it.
type Conn struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	queue    *waiter.Queue
	segment  int
}

// segmentHeaders besides the IP header, bytes: TCP's, and all the options that it may have. The stack keeps room for them
// in every segment, and would make two of a larger write.
const segmentHeaders = header.TCPMinimumSize + header.TCPOptionsMaximumSize

// newConn sets what all connections with guests have; mtu is the link's, bytes.
func newConn(queue *waiter.Queue, endpoint tcpip.Endpoint, mtu uint32) *Conn {
	options := endpoint.SocketOptions()
	options.SetDelayOption(false) // the other side has put together already what belongs together
	options.SetKeepAlive(true)
	ip := header.IPv4MinimumSize
	if local, err := endpoint.GetLocalAddress(); err == nil && local.Addr.Len() == header.IPv6AddressSize {
		ip = header.IPv6MinimumSize
	}
	return &Conn{
		TCPConn:  gonet.NewTCPConn(queue, endpoint),
		endpoint: endpoint,
		queue:    queue,
		segment:  int(mtu) - ip - segmentHeaders,
	}
}

// SegmentSize of what goes to the guest, bytes.
func (c *Conn) SegmentSize() int { return c.segment }

// Reset ends the connection with an RST.
func (c *Conn) Reset() { c.endpoint.Abort() }

// Endpoint gives what the stack has for the connection.
func (c *Conn) Endpoint() (tcpip.Endpoint, *waiter.Queue) { return c.endpoint, c.queue }
