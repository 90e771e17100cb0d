package boot

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/guest"
)

// startAgent runs this program again as the agent. The identity goes through
// anonymous memory: never a disk, a command line or an environment.
func startAgent(spec guest.Spec, modules []*os.File) error {
	handover, err := guest.WriteHandover(spec)
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	files := []uintptr{null.Fd(), 1, 2, handover.Fd()}
	for _, module := range modules {
		files = append(files, module.Fd())
	}
	_, err = syscall.ForkExec("/proc/self/exe", []string{guest.AgentName}, &syscall.ProcAttr{
		Dir: "/", Env: initEnv, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	return nil
}

// initEnv is what the kernel gives to an init.
var initEnv = []string{"HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

// execInit turns process 1 into the image's init; it returns only on failure.
func execInit(path string) error {
	unix.Umask(0o022)
	return fmt.Errorf("start the image's init %s: %w", path, syscall.Exec(path, []string{path}, initEnv))
}
