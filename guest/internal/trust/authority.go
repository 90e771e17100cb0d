// Package trust makes authorities trusted in this guest that its image does not know. What images' programs read is
// covered by copies in a tmpfs with the authorities added: the disk never has them, and a VM that is no longer given
// them does not trust them from its next start on.
package trust

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// authority is one to be trusted.
type authority struct {
	name string // of its files, without an extension
	text []byte // PEM
	der  []byte
	hash string // by which OpenSSL finds it
}

func parse(certificates []string) ([]authority, error) {
	var all []authority
	for i, text := range certificates {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, errors.New("trust: not a certificate in PEM")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("trust: %w", err)
		}
		hash, err := subjectHash(certificate.RawSubject)
		if err != nil {
			return nil, fmt.Errorf("trust: %w", err)
		}
		all = append(all, authority{fmt.Sprintf("%s%d", namePrefix, i+1), []byte(text), block.Bytes, hash})
	}
	return all, nil
}

// namePrefix begins the names of all files of ours.
const namePrefix = "ember-secrets-"

// add appends the authorities to a bundle.
func add(bundle []byte, authorities []authority) []byte {
	added := bytes.Clone(bundle)
	if len(added) > 0 && !bytes.HasSuffix(added, []byte("\n")) {
		added = append(added, '\n')
	}
	for _, a := range authorities {
		added = append(added, a.text...)
	}
	return added
}

// remove takes the authorities out of what some tool may have written. clean is false where they are left in a form that
// we cannot take them out of.
func remove(content []byte, authorities []authority) (rest []byte, had, clean bool) {
	left := content
	for {
		begin := bytes.Index(left, []byte("-----BEGIN "))
		if begin < 0 {
			break
		}
		block, after := pem.Decode(left[begin:])
		if block == nil {
			break
		}
		rest = append(rest, left[:begin]...)
		if holds(block.Bytes, authorities) {
			had = true
		} else {
			rest = append(rest, left[begin:len(left)-len(after)]...)
		}
		left = after
	}
	rest = append(rest, left...)
	return rest, had, !holds(rest, authorities)
}

func holds(content []byte, authorities []authority) bool {
	for _, a := range authorities {
		if bytes.Contains(content, a.der) {
			return true
		}
	}
	return false
}

// subjectHash is what 'openssl x509 -subject_hash' prints, by which OpenSSL names files: of the name's parts in a form that ignores case and spaces.
func subjectHash(subject []byte) (string, error) {
	var sets []asn1.RawValue
	if _, err := asn1.Unmarshal(subject, &sets); err != nil {
		return "", err
	}
	var canonical []byte
	for _, set := range sets {
		var parts []namePart
		if _, err := asn1.UnmarshalWithParams(set.FullBytes, &parts, "set"); err != nil {
			return "", err
		}
		for i := range parts {
			parts[i].canonicalize()
		}
		encoded, err := asn1.MarshalWithParams(parts, "set")
		if err != nil {
			return "", err
		}
		canonical = append(canonical, encoded...)
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

type namePart struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

func (p *namePart) canonicalize() {
	switch p.Value.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagT61String:
		text := strings.Join(strings.Fields(string(p.Value.Bytes)), " ")
		text = strings.Map(func(c rune) rune {
			if c >= 'A' && c <= 'Z' {
				return c - 'A' + 'a'
			}
			return c
		}, text)
		p.Value = asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: []byte(text)}
	}
}
