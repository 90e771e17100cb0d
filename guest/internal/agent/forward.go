package agent

import (
	"io"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"ember.dev/guest/internal/users"
)

const dialLimit = 30 * time.Second

// forwardTCP connects a channel to an address as seen from the guest.
func forwardTCP(channel ssh.NewChannel) {
	var request struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if ssh.Unmarshal(channel.ExtraData(), &request) != nil || request.Port > 65535 {
		_ = channel.Reject(ssh.ConnectionFailed, "malformed request")
		return
	}
	forward(channel, "tcp", net.JoinHostPort(request.Host, strconv.Itoa(int(request.Port))))
}

// forwardUnix connects a channel to a socket file. The agent would open it with
// root's rights, so only root may ask.
func forwardUnix(login users.User, channel ssh.NewChannel) {
	var request struct {
		Path      string
		Reserved0 string
		Reserved1 uint32
	}
	if login.UID != 0 || ssh.Unmarshal(channel.ExtraData(), &request) != nil {
		_ = channel.Reject(ssh.Prohibited, "only root may forward to socket files")
		return
	}
	forward(channel, "unix", request.Path)
}

func forward(channel ssh.NewChannel, network, address string) {
	conn, err := net.DialTimeout(network, address, dialLimit)
	if err != nil {
		_ = channel.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	ch, requests, err := channel.Accept()
	if err != nil {
		_ = conn.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	join(ch, conn)
}

type halfCloser interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// join copies both ways and passes each end of input on by itself, since
// protocols exist that answer only after it.
func join(ch ssh.Channel, conn net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, ch)
		if half, ok := conn.(halfCloser); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(ch, conn)
	_ = ch.CloseWrite()
	<-done
	_ = conn.Close()
	_ = ch.Close()
}
