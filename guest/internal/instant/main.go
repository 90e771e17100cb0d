// Command instant stands in for Firecracker, its jailer and a guest that take
// next to no time, or a known one: what is left of a start is ember's own
// share. It is run by the benchmark of that share, and confines nothing.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// release is what both programs say that they are.
const release = "v1.15.1"

func main() {
	args := os.Args[1:]
	name := filepath.Base(os.Args[0])
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println(map[string]string{"jailer": "Jailer ", "firecracker": "Firecracker "}[name] + release)
		return
	}
	run := runFirecracker
	if name == "jailer" {
		run = runJailer
	}
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runJailer starts Firecracker where the real one would, writes down its
// process id and leaves, as with --new-pid-ns.
func runJailer(args []string) error {
	program := option(args, "--exec-file")
	id := option(args, "--id")
	root := filepath.Join(option(args, "--chroot-base-dir"), filepath.Base(program), id, "root")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := append([]string{"firecracker", "--id", id}, behind(args, "--")...)
	child, err := os.StartProcess(self, argv, &os.ProcAttr{
		Dir: root, Files: []*os.File{nil, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return err
	}
	pidFile := filepath.Join(root, filepath.Base(program)+".pid")
	return os.WriteFile(pidFile, []byte(fmt.Sprint(child.Pid)), 0o600)
}

func option(args []string, name string) string {
	if rest := behind(args, name); len(rest) > 0 {
		return rest[0]
	}
	return ""
}

func behind(args []string, name string) []string {
	for i, arg := range args {
		if arg == name {
			return args[i+1:]
		}
	}
	return nil
}
