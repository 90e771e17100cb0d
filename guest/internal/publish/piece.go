package publish

import (
	"encoding/binary"
	"io"
)

// A piece is bytes after their length: a datagram, or some of a stream.
const (
	headerBytes    = 2
	mostPieceBytes = 65535
)

// readPiece reads one into a buffer of mostPieceBytes.
func readPiece(from io.Reader, buffer []byte) ([]byte, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return nil, err
	}
	piece := buffer[:binary.BigEndian.Uint16(header[:])]
	_, err := io.ReadFull(from, piece)
	return piece, err
}

// writePiece writes count bytes that lie behind room for their length.
func writePiece(to io.Writer, buffer []byte, count int) error {
	binary.BigEndian.PutUint16(buffer, uint16(count))
	_, err := to.Write(buffer[:headerBytes+count])
	return err
}
