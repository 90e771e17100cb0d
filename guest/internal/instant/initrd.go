package main

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"ember.dev/guest/internal/identity"
)

const (
	headerBytes = 110 // of the newc format, cpio(5)
	sizeAt      = 54  // of the file's size, eight hexadecimal digits
)

// readIdentity finds the identity in an initrd, whose last archive has it.
func readIdentity(path string) (*identity.Identity, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name := []byte(identity.Path[1:] + "\x00")
	at := bytes.LastIndex(content, name)
	if at < headerBytes {
		return nil, errors.New("the initrd has no identity")
	}
	header := content[at-headerBytes : at]
	size, err := strconv.ParseInt(string(header[sizeAt:sizeAt+8]), 16, 32)
	if err != nil {
		return nil, err
	}
	start := at - headerBytes + align(headerBytes+len(name))
	return identity.Parse(content[start : start+int(size)])
}

func align(n int) int { return (n + 3) &^ 3 }
