package intercept

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// authorityScalar is how the private number of a key in PEM would be printed.
func authorityScalar(t *testing.T, key string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(key))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := parsed.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", raw)
}

func TestLeavesAreForOneNameAndHoldForGuestsWithAnotherClock(t *testing.T) {
	certificate, key, err := makeAuthority("vm", testTime)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ParseAuthority(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	mint, err := newMint(authority)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := mint.leaf(host, testTime)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	for _, clock := range []time.Duration{-47 * time.Hour, 0, 23 * time.Hour} {
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: testTime.Add(clock)}); err != nil {
			t.Errorf("%v: %v", clock, err)
		}
	}
	if leaf.Leaf.VerifyHostname("www.example.com") == nil || leaf.Leaf.NotAfter.After(testTime.Add(8*24*time.Hour)) {
		t.Errorf("%v %v", leaf.Leaf.DNSNames, leaf.Leaf.NotAfter)
	}
	if again, _ := mint.leaf(host, testTime.Add(24*time.Hour)); again != leaf {
		t.Error("made anew while it holds")
	}
	if later, _ := mint.leaf(host, testTime.Add(leafLife)); later == leaf {
		t.Error("kept beyond its end")
	}
}

func TestLeavesOfManyNamesAreNotAllKept(t *testing.T) {
	mint, err := newMint(newTestAuthority(t).Authority)
	if err != nil {
		t.Fatal(err)
	}
	for n := range maxLeaves + 50 {
		name := fmt.Sprintf("host-%d.%s.example", n, strings.Repeat("long", 15))
		if _, err := mint.leaf(name, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if len(mint.leaves) != maxLeaves {
		t.Errorf("%d", len(mint.leaves))
	}
}

func TestWhatIsNoAuthorityIsRefusedWithoutItsKeyBeingQuoted(t *testing.T) {
	certificate, key, err := makeAuthority("vm", testTime)
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := makeAuthority("vm", testTime)
	if err != nil {
		t.Fatal(err)
	}
	leaf := newTestAuthority(t).leaf(t, host)
	leafPEM := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}))
	leafDER, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	leafKey := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: leafDER}))
	for name, pair := range map[string][2]string{
		"another key": {certificate, otherKey}, "no key": {certificate, ""}, "no certificate": {"", key}, "a leaf": {leafPEM, leafKey},
	} {
		raw, _ := json.Marshal(map[string]string{"certificate": pair[0], "key": pair[1]})
		var a Authority
		if err := json.Unmarshal(raw, &a); err == nil || strings.Contains(err.Error(), "-----") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
