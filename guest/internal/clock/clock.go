// Package clock sets the guest's time from the host's, at boot and after a
// restore, when a guest's own clock has stood still.
package clock

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Correct sets the clock when it is further from now than the tolerance.
func Correct(now time.Time, tolerance time.Duration) (changed bool, err error) {
	off := time.Since(now.Round(0))
	if off.Abs() <= tolerance {
		return false, nil
	}
	tv := unix.NsecToTimeval(now.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		return false, fmt.Errorf("set the clock: %w", err)
	}
	return true, nil
}

// SinceBoot is the time since the kernel started, time asleep included.
func SinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
