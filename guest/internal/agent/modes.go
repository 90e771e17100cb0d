package agent

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// The terminal modes of RFC 4254 section 8 that Linux has. Speeds mean nothing
// on a pseudo-terminal.
var (
	controlModes = map[byte]int{
		1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL,
		7: unix.VEOL2, 8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT,
		13: unix.VWERASE, 14: unix.VLNEXT, 18: unix.VDISCARD,
	}
	inputModes = map[byte]uint32{
		30: unix.IGNPAR, 31: unix.PARMRK, 32: unix.INPCK, 33: unix.ISTRIP, 34: unix.INLCR,
		35: unix.IGNCR, 36: unix.ICRNL, 37: unix.IUCLC, 38: unix.IXON, 39: unix.IXANY,
		40: unix.IXOFF, 41: unix.IMAXBEL, 42: unix.IUTF8,
	}
	localModes = map[byte]uint32{
		50: unix.ISIG, 51: unix.ICANON, 52: unix.XCASE, 53: unix.ECHO, 54: unix.ECHOE,
		55: unix.ECHOK, 56: unix.ECHONL, 57: unix.NOFLSH, 58: unix.TOSTOP, 59: unix.IEXTEN,
		60: unix.ECHOCTL, 61: unix.ECHOKE, 62: unix.PENDIN,
	}
	outputModes = map[byte]uint32{
		70: unix.OPOST, 71: unix.OLCUC, 72: unix.ONLCR, 73: unix.OCRNL, 74: unix.ONOCR, 75: unix.ONLRET,
	}
)

// applyModes sets what the client's own terminal has; without it, erase and
// UTF-8 editing would behave differently inside the guest.
func applyModes(tty *os.File, encoded []byte) {
	attributes, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return
	}
	for len(encoded) >= 5 && encoded[0] != 0 && encoded[0] < 160 {
		opcode, value := encoded[0], binary.BigEndian.Uint32(encoded[1:])
		encoded = encoded[5:]
		if index, ok := controlModes[opcode]; ok && value < 256 {
			attributes.Cc[index] = byte(value)
		}
		setFlag(&attributes.Iflag, inputModes[opcode], value)
		setFlag(&attributes.Lflag, localModes[opcode], value)
		setFlag(&attributes.Oflag, outputModes[opcode], value)
	}
	_ = unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, attributes) // the defaults are usable too
}

func setFlag(flags *uint32, bit, value uint32) {
	if value != 0 {
		*flags |= bit
	} else {
		*flags &^= bit
	}
}
