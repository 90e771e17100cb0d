package intercept

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
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
