package agent

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

func TestTerminalHasItsSizeAndFollowsIt(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	if err := s.RequestPty("vt100", 33, 101, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		t.Fatal(err)
	}
	stdin, _ := s.StdinPipe()
	stdout, _ := s.StdoutPipe()
	// The new size travels beside the input, so it may come a moment after it.
	follow := "for i in $(seq 50); do size=$(stty size); [ \"$size\" = '44 202' ] && break; sleep 0.1; done; echo $size"
	if err := s.Start("stty size; echo $TERM; read x; " + follow + "; exit 6"); err != nil {
		t.Fatal(err)
	}
	want := "33 101\r\nvt100\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(stdout, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
	if err := s.WindowChange(44, 202); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(stdin, "\n")
	rest, _ := io.ReadAll(stdout)
	if string(rest) != "44 202\r\n" {
		t.Errorf("%q", rest)
	}
	if err := s.Wait(); err == nil || err.(*ssh.ExitError).ExitStatus() != 6 {
		t.Error(err)
	}
}

func TestTerminalIsControllingAndEndOfInputEndsIt(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	s.Stdin = strings.NewReader("typed\n")
	out, err := s.Output("tty; test -c /dev/tty && echo has-tty </dev/tty; cat; echo end")
	if err != nil {
		t.Error(err)
	}
	if text := string(out); !strings.Contains(text, "/dev/pts/") || !strings.Contains(text, "has-tty") || !strings.HasSuffix(text, "typed\r\nend\r\n") {
		t.Errorf("%q", text)
	}
}

func TestTerminalSessionEndsThoughABackgroundJobHoldsIt(t *testing.T) {
	c := newServer(t).client(t)
	s := openSession(t, c)
	if err := s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	out, err := s.Output("(trap '' HUP; exec sleep 4) & echo shown")
	if err != nil || string(out) != "shown\r\n" || time.Since(start) > 3*time.Second {
		t.Errorf("%q, %v after %s", out, err, time.Since(start))
	}
}

func TestFilesTravelBySFTP(t *testing.T) {
	f := newServer(t)
	logins := []string{me()}
	if os.Geteuid() == 0 {
		logins = append(logins, "65534") // served by a process of that user
	}
	for _, login := range logins {
		t.Run(login, func(t *testing.T) {
			client, err := sftp.NewClient(f.clientAs(t, login))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			dir, err := os.MkdirTemp("", "ember-sftp")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			_ = os.Chmod(dir, 0o777)
			path := filepath.Join(dir, "file")
			data := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
			w, err := client.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.ReadFrom(bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			_ = w.Close()
			r, err := client.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			var back bytes.Buffer
			if _, err := r.WriteTo(&back); err != nil || !bytes.Equal(back.Bytes(), data) {
				t.Errorf("%d bytes came back: %v", back.Len(), err)
			}
			link := filepath.Join(dir, "link")
			if err := client.Symlink("inner/../file", link); err != nil {
				t.Fatal(err)
			}
			if target, err := os.Readlink(link); err != nil || target != "inner/../file" {
				t.Errorf("the link leads to %q: %v", target, err)
			}
			_, err = client.Stat("/etc/shadow")
			if err != nil {
				t.Skip("this machine has no /etc/shadow")
			}
			if _, err := client.Open("/etc/shadow"); (err == nil) != (os.Geteuid() == 0 && login == "root") {
				t.Errorf("reading /etc/shadow as %s: %v", login, err)
			}
		})
	}
}

func TestForwardingPassesBothEnds(t *testing.T) {
	f := newServer(t)
	target := echoServer(t, "tcp", "127.0.0.1:0")
	conn, err := f.client(t).Dial("tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, conn)
	if _, err := f.client(t).Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("a closed port was connected")
	}
	if os.Geteuid() == 0 {
		socket := echoServer(t, "unix", filepath.Join(t.TempDir(), "s"))
		conn, err := f.client(t).Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		checkEcho(t, conn)
		if _, err := f.clientAs(t, "65534").Dial("unix", socket); err == nil {
			t.Error("another user reached a socket file with root's rights")
		}
	}
}

// echoServer answers only after the end of its input.
func echoServer(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				data, _ := io.ReadAll(conn)
				_, _ = conn.Write(data)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func checkEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	_, _ = io.WriteString(conn, "there and back")
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(conn); err != nil || string(data) != "there and back" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestControlIsForRootAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("logging in as root needs root")
	}
	f := newServer(t)
	s := openSession(t, f.client(t))
	out, _ := s.StdoutPipe()
	if err := s.RequestSubsystem("ember-control"); err != nil {
		t.Fatal(err)
	}
	if data, _ := io.ReadAll(out); string(data) != "control\n" {
		t.Errorf("%q", data)
	}
	if err := openSession(t, f.clientAs(t, "65534")).RequestSubsystem("ember-control"); err == nil {
		t.Error("another user was given control")
	}
	if err := openSession(t, f.client(t)).RequestSubsystem("no-such"); err == nil {
		t.Error("an unknown subsystem was accepted")
	}
}

func TestListenNeedsOneAddressThatWorks(t *testing.T) {
	listeners, err := Listen([]string{"vsock:4000000000", "tcp:0"})
	if err != nil || len(listeners) == 0 {
		t.Fatal(err)
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	if _, err := Listen(nil); err == nil {
		t.Error("no address at all was accepted")
	}
	if _, err := Listen([]string{"udp:1"}); err == nil {
		t.Error("an unknown network was accepted")
	}
}
