package intercept

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// A guest whose clock is behind by less trusts a certificate that was just made.
	backdated = 48 * time.Hour
)

// Authority signs certificates that only one VM's guest trusts. Printing it does not show the key.
type Authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// ParseAuthority reads a certificate and its private key, both PEM; no error has the key in it.
func ParseAuthority(certificate, key string) (Authority, error) {
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		return Authority{}, errors.New("the authority is not a certificate and its private key in PEM")
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	switch {
	case !ok:
		return Authority{}, errors.New("the authority's key cannot sign")
	case !pair.Leaf.IsCA || pair.Leaf.KeyUsage&x509.KeyUsageCertSign == 0:
		return Authority{}, errors.New("the authority's certificate may not sign certificates")
	}
	return Authority{certificate: pair.Leaf, key: signer}, nil
}

// NewAuthority makes the authority of the VM with this name or id.
func NewAuthority(vm string, now time.Time) (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	serial, err := newSerial()
	if err != nil {
		return "", "", err
	}
	template := authorityTemplate(vm, serial, now)
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", fmt.Errorf("make an authority: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("make an authority: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})), nil
}

func authorityTemplate(vm string, serial *big.Int, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "ember secrets of " + vm},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// String names the authority.
func (a Authority) String() string { return "an authority (its key is redacted)" }

// GoString names the authority.
func (a Authority) GoString() string { return a.String() }

// MarshalJSON leaves the key out.
func (a Authority) MarshalJSON() ([]byte, error) { return json.Marshal(a.String()) }

// UnmarshalJSON reads and checks {"certificate","key"}; its errors never quote the input.
func (a *Authority) UnmarshalJSON(data []byte) error {
	var raw struct {
		Certificate string `json:"certificate"`
		Key         string `json:"key"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return errors.New("an authority is not an object with certificate and key")
	}
	parsed, err := ParseAuthority(raw.Certificate, raw.Key)
	if err == nil {
		*a = parsed
	}
	return err
}
