package guest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"ember.dev/net/internal/intercept"
	"ember.dev/net/internal/policy"
)

const (
	secretHost  = "api.example.com"
	placeholder = "ember-placeholder-0123456789abcdef"
	secretValue = "the value"
)

// newAuthority makes a certificate that may sign others, and its key, both PEM.
func newAuthority(t *testing.T, name string) (*x509.Certificate, *ecdsa.PrivateKey, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// newInternet serves handler as secretHost, with a certificate that this process trusts as it would a public one.
func newInternet(t *testing.T, handler http.Handler) (port uint16) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the roots are the system's there, which a test cannot add to")
	}
	authority, authorityKey, text, _ := newAuthority(t, "internet")
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", roots) // read at the first connection: no other test of this package has one
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{secretHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), authorityKey)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return uint16(server.Listener.Addr().(*net.TCPAddr).Port)
}

func secretsFrom(t *testing.T, value string) []intercept.Secret {
	t.Helper()
	raw, err := json.Marshal([]map[string]any{{"name": "TOKEN", "placeholder": placeholder, "value": value, "hosts": []string{secretHost}}})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []intercept.Secret
	if err := json.Unmarshal(raw, &secrets); err != nil {
		t.Fatal(err)
	}
	return secrets
}

func TestAGuestsRequestsHaveTheSecretAndOtherSecretsEndItsConnections(t *testing.T) {
	port := newInternet(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.WriteString(w, req.Proto+" "+req.Header.Get("Authorization"))
		if req.URL.Path == "/wait" {
			_ = http.NewResponseController(w).Flush() // the client may be gone
			<-req.Context().Done()
		}
	}))
	vm, machine := start(t, newWorld(nil), settingsFor(t, 1))
	certificate, _, text, key := newAuthority(t, "vm")
	authority, err := intercept.ParseAuthority(text, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.SetSecrets(&authority, secretsFrom(t, secretValue)); err != nil {
		t.Fatal(err)
	}
	vm.engine.Answered(secretHost, nil, []netip.Addr{outside}, time.Hour)
	trusted := x509.NewCertPool()
	trusted.AddCert(certificate)
	dials := 0
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials++
			return machine.DialTCP(ctx, toStack(outside), port)
		},
	}}
	defer client.CloseIdleConnections()
	send := func(path string) (*http.Response, error) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+secretHost+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+placeholder)
		return client.Do(req)
	}
	ask := func() string {
		t.Helper()
		response, err := send("/")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	// change is whole once the client has seen the end of its connection.
	change := func(authority *intercept.Authority, secrets []intercept.Secret) {
		t.Helper()
		response, err := send("/wait")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read-only
		if err := vm.SetSecrets(authority, secrets); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Error("an answer that was cut off is taken for a whole one")
		}
	}
	if got := ask(); got != "HTTP/2.0 Bearer "+secretValue {
		t.Errorf("%q", got)
	}
	if err := vm.SetSecrets(&authority, secretsFrom(t, secretValue)); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != "HTTP/2.0 Bearer "+secretValue || dials != 1 {
		t.Errorf("%q after %d connections, of which one would have done", got, dials)
	}
	change(&authority, secretsFrom(t, "another value"))
	if got := ask(); got != "HTTP/2.0 Bearer another value" || dials != 2 {
		t.Errorf("%q after %d connections", got, dials)
	}
	change(nil, nil)
	response, err := send("/")
	var unknown x509.UnknownAuthorityError
	if err == nil {
		_ = response.Body.Close() // it should not be
	}
	if !errors.As(err, &unknown) {
		t.Errorf("without secrets the guest does not see the host's own certificate: %v", err)
	}
}

func TestHTTP3IsRefusedToHostsThatSecretsAreFor(t *testing.T) {
	vm, _ := start(t, newWorld(nil), settingsFor(t, 2))
	_, _, text, key := newAuthority(t, "vm")
	authority, err := intercept.ParseAuthority(text, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.SetSecrets(&authority, secretsFrom(t, secretValue)); err != nil {
		t.Fatal(err)
	}
	other := netip.MustParseAddr("192.0.2.2")
	vm.engine.Answered(secretHost, nil, []netip.Addr{outside}, time.Hour)
	vm.engine.Answered("other.example.com", nil, []netip.Addr{other}, time.Hour)
	for _, c := range []struct {
		protocol string
		to       netip.AddrPort
		want     policy.Verdict
	}{
		{policy.UDP, netip.AddrPortFrom(outside, 443), policy.Refuse}, {policy.UDP, netip.AddrPortFrom(outside, 123), policy.Allow},
		{policy.TCP, netip.AddrPortFrom(outside, 443), policy.Allow}, {policy.UDP, netip.AddrPortFrom(other, 443), policy.Allow},
	} {
		if got := vm.admit(c.protocol, c.to); got.Verdict != c.want {
			t.Errorf("%s %s: %+v", c.protocol, c.to, got)
		}
	}
}
