// Package intercept puts secrets in place of their placeholders in the headers of requests over TLS to the hosts they
// are for. It ends the guest's TLS with a certificate of an authority that only this guest trusts, and begins another
// with the host, verified against the roots of the machine it runs on.
//
// Every guest connection has one connection to the host. HTTP/1.1 is followed head by head and HTTP/2 frame by frame:
// bodies, trailers, flow control and the order of headers pass as they are, and a value is put into a request only after
// that very request's host has been found to be the one that the certificate was verified for.
package intercept

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Interceptor serves the connections of one VM to the hosts that its secrets are for. It never changes; for other
// secrets make another.
type Interceptor struct {
	secrets []Secret
	mint    *mint
	roots   *x509.CertPool // nil: the system's
	ended   context.Context
	end     context.CancelFunc

	mu      sync.Mutex // for adding to serving, which must not begin once it is waited for
	serving sync.WaitGroup
}

// New makes the interceptor of a VM.
func New(authority Authority, secrets []Secret) (*Interceptor, error) {
	if authority.certificate == nil {
		return nil, errors.New("secrets need an authority")
	}
	for i, a := range secrets {
		if a.reveal == nil {
			return nil, errors.New("a secret has no value")
		}
		for _, b := range secrets[:i] {
			if a.name == b.name {
				return nil, fmt.Errorf("secret %q is given twice", a.name)
			}
			if strings.Contains(a.placeholder, b.placeholder) || strings.Contains(b.placeholder, a.placeholder) {
				return nil, fmt.Errorf("the placeholders of secrets %q and %q contain one another", b.name, a.name)
			}
		}
	}
	mint, err := newMint(authority)
	if err != nil {
		return nil, err
	}
	ended, end := context.WithCancel(context.Background())
	return &Interceptor{secrets: secrets, mint: mint, ended: ended, end: end}, nil
}

// Close ends all connections that are being served, and those that still come: their secrets hold no longer. Nothing
// goes to a host any more when it has returned.
func (i *Interceptor) Close() {
	i.mu.Lock()
	i.end()
	i.mu.Unlock()
	i.serving.Wait()
}

// begin says whether a connection may still be served; then serving has been added to.
func (i *Interceptor) begin() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended.Err() != nil {
		return false
	}
	i.serving.Add(1)
	return true
}

// Same says whether another interceptor would do exactly what this one does.
func (i *Interceptor) Same(other *Interceptor) bool {
	return i.mint.authority.certificate.Equal(other.mint.authority.certificate) && slices.EqualFunc(i.secrets, other.secrets, Secret.same)
}

// Wants says whether connections over TLS to the host of this name are to be served here.
func (i *Interceptor) Wants(name string) bool { return len(i.secretsFor(canonical(name))) > 0 }

func (i *Interceptor) secretsFor(name string) []Secret {
	var found []Secret
	for _, s := range i.secrets {
		if s.isFor(name) {
			found = append(found, s)
		}
	}
	return found
}
