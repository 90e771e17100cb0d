package intercept

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"sync"
	"time"
)

const (
	leafLife = 7 * 24 * time.Hour
	// A guest whose clock is behind by less trusts a certificate that was just made.
	backdated = 48 * time.Hour
	// A connection that begins now may go on for as long before its certificate's end matters to anybody.
	leafReserve = 24 * time.Hour
	maxLeaves   = 256
)

// mint makes the certificates that a guest sees, one per name, and keeps the last few.
type mint struct {
	authority Authority
	key       *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves map[string]*tls.Certificate
}

func newMint(authority Authority) (*mint, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &mint{authority: authority, key: key, leaves: map[string]*tls.Certificate{}}, nil
}

// leaf returns the certificate for name, which outlives now by leafReserve at least.
func (m *mint) leaf(name string, now time.Time) (*tls.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kept := m.leaves[name]; kept != nil && kept.Leaf.NotAfter.After(now.Add(leafReserve)) {
		return kept, nil
	}
	made, err := m.make(name, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", name, err)
	}
	if len(m.leaves) >= maxLeaves {
		m.dropOldest()
	}
	m.leaves[name] = made
	return made, nil
}

func (m *mint) make(name string, now time.Time) (*tls.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: []string{name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(name) <= 64 { // what a common name holds
		template.Subject = pkix.Name{CommonName: name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, m.authority.certificate, m.key.Public(), m.authority.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, m.authority.certificate.Raw}, PrivateKey: m.key, Leaf: leaf}, nil
}

func (m *mint) dropOldest() {
	oldest := ""
	for name, leaf := range m.leaves {
		if oldest == "" || leaf.Leaf.NotAfter.Before(m.leaves[oldest].Leaf.NotAfter) {
			oldest = name
		}
	}
	delete(m.leaves, oldest)
}
