package agent

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/users"
)

// table is shared: a program has one waiter.
var table = process.NewTable(false)

func TestMain(m *testing.M) {
	if os.Args[0] == SFTPName {
		os.Exit(ServeSFTPOnStdio())
	}
	os.Exit(m.Run())
}

type fixture struct {
	*Server
	address string
	key     ssh.Signer
	hostKey ssh.PublicKey
	output  *lockedBuffer // of detached commands
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func (b *lockedBuffer) Flush() {}

func newKey(t *testing.T) (private string, signer ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), signer
}

func newServer(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{output: &lockedBuffer{}}
	hostPEM, host := newKey(t)
	_, f.key = newKey(t)
	f.hostKey = host.PublicKey()
	var err error
	f.Server, err = New(Config{
		Users: users.DB{Root: "/"}, Table: table, Env: []string{"FROM_IMAGE=yes", "OVERRIDE=image"},
		SelfExe: "/proc/self/exe", SessionUser: me(),
		Control:    func(stream io.ReadWriter) { _, _ = io.WriteString(stream, "control\n") },
		Background: func() (stdout, stderr Flusher) { return f.output, f.output },
	}, hostPEM, []string{string(ssh.MarshalAuthorizedKey(f.key.PublicKey()))})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f.address = l.Addr().String()
	go f.Serve(l)
	return f
}

// me is the user the tests run as, by number: it need not be in /etc/passwd.
func me() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return itoa(os.Geteuid())
}

func itoa(n int) string {
	data, _ := json.Marshal(n)
	return string(data)
}

func (f *fixture) dial(t *testing.T, user string, key ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	return ssh.Dial("tcp", f.address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.FixedHostKey(f.hostKey), Timeout: 10 * time.Second,
	})
}

func (f *fixture) client(t *testing.T) *ssh.Client {
	t.Helper()
	return f.clientAs(t, me())
}

func (f *fixture) clientAs(t *testing.T, user string) *ssh.Client {
	t.Helper()
	c, err := f.dial(t, user, f.key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func openSession(t *testing.T, c *ssh.Client) *ssh.Session {
	t.Helper()
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	timer := time.AfterFunc(20*time.Second, func() { _ = c.Close() }) // no test hangs
	t.Cleanup(func() { timer.Stop() })
	return s
}

// direct encodes ember's own exec request.
func direct(request map[string]any) string {
	data, _ := json.Marshal(request)
	return "\x00" + string(data)
}

type result struct {
	stdout, stderr string
	status         int
}

func run(t *testing.T, c *ssh.Client, command string, stdin io.Reader) result {
	t.Helper()
	s := openSession(t, c)
	var stdout, stderr bytes.Buffer
	s.Stdout, s.Stderr, s.Stdin = &stdout, &stderr, stdin
	err := s.Run(command)
	r := result{stdout: stdout.String(), stderr: stderr.String()}
	if exit, ok := err.(*ssh.ExitError); ok {
		r.status = exit.ExitStatus()
		if exit.Signal() != "" {
			t.Errorf("an exit signal %s was sent", exit.Signal())
		}
	} else if err != nil {
		t.Fatalf("run: %v", err)
	}
	return r
}

func TestOnlyAuthorisedKeysOfKnownUsersMayEnter(t *testing.T) {
	f := newServer(t)
	_, stranger := newKey(t)
	if _, err := f.dial(t, me(), stranger); err == nil {
		t.Error("a strange key was let in")
	}
	if _, err := f.dial(t, "nosuchuser-ember", f.key); err == nil {
		t.Error("an unknown user was let in")
	}
	if _, err := f.dial(t, "", f.key); err == nil {
		t.Error("an empty user name was let in")
	}
	f.client(t)
}

func TestNewCredentialsHoldForNewConnections(t *testing.T) {
	f := newServer(t)
	old := f.client(t)
	hostPEM, host := newKey(t)
	_, key := newKey(t)
	if err := f.SetCredentials(hostPEM, []string{string(ssh.MarshalAuthorizedKey(key.PublicKey()))}); err != nil {
		t.Fatal(err)
	}
	if r := run(t, old, "echo still here", nil); strings.TrimSpace(r.stdout) != "still here" {
		t.Errorf("old connection: %+v", r)
	}
	if _, err := f.dial(t, me(), f.key); err == nil {
		t.Error("the old host key or the old key still works")
	}
	f.hostKey = host.PublicKey()
	if _, err := f.dial(t, me(), key); err != nil {
		t.Error(err)
	}
}

func TestBrokenCredentialsAreRefusedByName(t *testing.T) {
	hostPEM, _ := newKey(t)
	if _, err := New(Config{}, "nonsense", nil); err == nil || !strings.Contains(err.Error(), "agent.hostKey") {
		t.Error(err)
	}
	if _, err := New(Config{}, hostPEM, []string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "agent.authorizedKeys[0]") {
		t.Error(err)
	}
}

func TestKeepalivesAreAnswered(t *testing.T) {
	c := newServer(t).client(t)
	if _, _, err := c.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Error(err)
	}
}
