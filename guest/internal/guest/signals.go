package guest

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/power"
)

const lastSignal = 64

// stopSignals are those by which images' own tools, and the kernel on
// control-alt-delete, ask a first process to stop the machine. The value says
// whether to reboot.
var stopSignals = map[os.Signal]bool{
	unix.SIGUSR1: false, unix.SIGUSR2: false, unix.SIGPWR: false, syscall.Signal(38): false,
	unix.SIGTERM: true, unix.SIGINT: true, syscall.Signal(39): true,
}

// catchSignals catches everything that can be caught: without a handler the Go
// runtime would exit, which in process 1 is a kernel panic and beside an init
// would leave the guest without its agent.
func catchSignals() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG:
			// Not to be caught, the process table's, the Go scheduler's.
		default:
			signal.Notify(signals, n)
		}
	}
	return signals
}

// handleSignals stops the machine when process 1 is told to, and ignores the rest.
func handleSignals(signals <-chan os.Signal, shutdown *power.Shutdown, first bool) {
	for sig := range signals {
		if reboot, known := stopSignals[sig]; first && known {
			go shutdown.Run(stopTimeout, reboot)
		}
	}
}
