package dial

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// proxyTimeout for the proxy's answer, within which it connects itself.
	proxyTimeout = 60 * time.Second
	// longestHead of a proxy's answer, bytes.
	longestHead = 64 << 10
)

// ProxyError is an answer of the proxy that is not a connection.
type ProxyError struct{ Status int }

func (e *ProxyError) Error() string { return fmt.Sprintf("the proxy answered %d", e.Status) }

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// connect asks a proxy for a connection to target.
func connect(ctx context.Context, proxy *url.URL, target string) (net.Conn, error) {
	conn, err := dialProxy(ctx, proxy)
	if err != nil {
		return nil, fmt.Errorf("connect to the proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	through, err := ask(conn, proxy, target)
	if !stop() {
		conn.Close()
		return nil, ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return through, nil
}

func dialProxy(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAliveConfig: keepAlive}
	address := net.JoinHostPort(proxy.Hostname(), port)
	if proxy.Scheme == "https" {
		return (&tls.Dialer{NetDialer: dialer, Config: &tls.Config{NextProtos: []string{"http/1.1"}}}).DialContext(ctx, "tcp", address)
	}
	return dialer.DialContext(ctx, "tcp", address)
}

// ask returns conn itself when the proxy has said no more than its answer.
func ask(conn net.Conn, proxy *url.URL, target string) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(proxyTimeout)); err != nil {
		return nil, err
	}
	request := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		login := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
		request += "Proxy-Authorization: Basic " + login + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(io.LimitReader(conn, longestHead))
	response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("read the proxy's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &ProxyError{Status: response.StatusCode}
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if reader.Buffered() == 0 {
		return conn, nil
	}
	early, err := reader.Peek(reader.Buffered())
	if err != nil {
		return nil, err
	}
	return &begun{Conn: conn, early: early}, nil
}

// begun is a connection whose first bytes have been read already.
type begun struct {
	net.Conn
	early []byte
}

func (b *begun) Read(into []byte) (int, error) {
	if len(b.early) > 0 {
		n := copy(into, b.early)
		b.early = b.early[n:]
		return n, nil
	}
	return b.Conn.Read(into)
}

func (b *begun) CloseWrite() error {
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return b.Close()
}
