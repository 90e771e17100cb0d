// Command ember-net is the network of an installation's VMs, without root: each VM has a network stack of its own in
// it, and reaches the outside by ordinary sockets of this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"ember.dev/net/internal/control"
	"ember.dev/net/internal/installation"
	"ember.dev/net/internal/version"
)

// garbagePercent of what is in use may be garbage before it is collected.
const garbagePercent = 300

const usage = "usage: ember-net serve --socket PATH --installation ID [--idle SECONDS] | ember-net version"

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "version":
		fmt.Println("ember-net", version.Number)
	case len(os.Args) >= 2 && os.Args[1] == "serve":
		if err := serve(os.Args[2:]); err != nil {
			log.Fatalf("ember-net: %v", err)
		}
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	socket := flags.String("socket", "", "path of the control socket")
	// By this mark the process is found: it is not needed otherwise.
	id := flags.String("installation", "", "id of the installation")
	idle := flags.Int("idle", 5, "seconds without VMs after which the process ends")
	_ = flags.Parse(arguments) // it exits itself
	if *socket == "" || *id == "" || *idle <= 0 || flags.NArg() > 0 {
		return errors.New(usage)
	}
	raiseFileLimit()
	// Packets' memory is kept for the next ones between two collections, of which there are many while little else is held.
	debug.SetGCPercent(garbagePercent)
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer end()
	network := installation.New(time.Duration(*idle)*time.Second, end)
	defer network.Close()
	server, err := control.Listen(*socket, network)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", *socket, err)
	}
	log.Printf("ember-net %s serves installation %s", version.Number, *id)
	server.Serve(ctx)
	log.Printf("ember-net ends")
	return nil
}

// raiseFileLimit lets each connection have its socket. Go itself raises the limit to what the system allows; this says so
// when that is too few.
func raiseFileLimit() {
	const wanted = 4096
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < wanted {
		log.Printf("only %d files may be open at a time: so many connections, too", limit.Cur)
	}
}
