// Command ember-net is the network of an installation's VMs, without root: each VM has a network stack of its own in
// it, and reaches the outside by ordinary sockets of this process.
package main

import (
	"fmt"
	"os"

	"ember.dev/net/internal/version"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("ember-net", version.Number)
		return
	}
	fmt.Fprintln(os.Stderr, "usage: ember-net serve --socket PATH --installation ID [--idle SECONDS] | ember-net version")
	os.Exit(2)
}
