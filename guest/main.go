// Command ember-guest is the first process of every ember guest and the agent
// that the host talks to. What it is depends on how it was started.
package main

import (
	"fmt"
	"os"

	"ember.dev/guest/internal/agent"
	"ember.dev/guest/internal/boot"
	"ember.dev/guest/internal/guest"
	"ember.dev/guest/internal/version"
)

func main() {
	switch name := os.Args[0]; {
	case os.Getpid() == 1:
		boot.Main()
	case name == guest.AgentName:
		guest.AgentMain(os.Args)
	case name == agent.SFTPName:
		os.Exit(agent.ServeSFTPOnStdio())
	default:
		fmt.Println("ember-guest", version.Agent)
		fmt.Println("It runs inside a guest, started by the kernel.")
	}
}
