// Command traffic measures a network: `traffic serve` is the far end, `traffic
// take` takes orders from standard input, and as the first process of a guest
// it takes them from the second serial port. `traffic wire` connects a TAP, as
// QEMU would, to a network that speaks by a stream socket. It is run by the
// benchmark of networks.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch {
	case os.Getpid() == 1:
		err = runGuest()
	case len(os.Args) == 3 && os.Args[1] == "serve":
		err = serve(os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "take":
		err = takeOrders(os.Stdin, os.Stdout)
	case len(os.Args) == 5 && os.Args[1] == "wire":
		err = wire(os.Args[2], os.Args[3], os.Args[4])
	default:
		err = fmt.Errorf("usage: traffic serve ADDRESS:PORT | traffic take | traffic wire TAP listen|connect PATH")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "traffic:", err)
		os.Exit(1)
	}
}
