package relay

import "golang.org/x/sys/unix"

const inputQueue = unix.SIOCINQ
