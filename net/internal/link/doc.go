// Package link carries Ethernet frames between ember-net and a hypervisor, over a stream or over datagrams.
//
// A stream (QEMU's -netdev stream) has the length of each frame before it, four bytes, big-endian. A datagram
// (Virtualization.framework's file handles) is a frame.
package link

import "errors"

const (
	// MaxFrame is the longest frame that either side may send, bytes: QEMU's own buffers hold no more.
	MaxFrame = 4096 + 65536
	// HeaderLength of Ethernet, bytes: two addresses and the type.
	HeaderLength = 14
	// prefixLength is of the length before each frame of a stream, bytes.
	prefixLength = 4
)

// ErrFraming: the peer said a length that no frame has. A stream cannot be followed after it.
var ErrFraming = errors.New("a frame is longer than any can be")
