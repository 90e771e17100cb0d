package guest

import (
	"io"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/agent"
	"ember.dev/guest/internal/clock"
	"ember.dev/guest/internal/console"
	"ember.dev/guest/internal/control"
	"ember.dev/guest/internal/disk"
	"ember.dev/guest/internal/entrypoint"
	"ember.dev/guest/internal/identity"
	"ember.dev/guest/internal/power"
	"ember.dev/guest/internal/process"
	"ember.dev/guest/internal/publish"
	"ember.dev/guest/internal/trust"
	"ember.dev/guest/internal/users"
)

// stopTimeout bounds a shutdown that nobody gave a limit for.
const stopTimeout = 10 * time.Second

// Spec is everything a running guest is made from.
type Spec struct {
	Identity  *identity.Identity
	Mode      string
	First     bool       // this is process 1
	Initramfs *os.File   // to be emptied
	Modules   []*os.File // to be loaded
}

// Run starts everything and returns; the guest lives on in goroutines.
func Run(spec Spec, out *console.Console) error {
	id := spec.Identity
	id.Process.Env = trust.Env(id.Trust, id.Process.Env)
	table := process.NewTable(spec.First)
	command := &entrypoint.Entrypoint{}
	freezer := disk.NewFreezer()
	shutdown := &power.Shutdown{
		Console: out, Entrypoint: command, StopSignal: stopSignal(id, out),
		HasInit: !spec.First, Reboots: id.RebootsToPowerOff(), Freezer: freezer,
	}
	go handleSignals(catchSignals(), shutdown, spec.First)
	if !spec.First {
		table.ProtectFromOOM()
	}
	machine := &control.Machine{
		VMID: id.VMID, Mode: spec.Mode, Root: id.Root,
		Entrypoint: command, Freezer: freezer, Shutdown: shutdown.Run,
	}
	server, err := newServer(id, table, machine, out)
	if err != nil {
		return err
	}
	machine.Rename = renamer(id, server)
	if err := listen(id, server); err != nil {
		return err
	}
	if err := listenForHost(id, shutdown); err != nil {
		out.Printf("the hypervisor is not listened to: %v", err)
	}
	for _, doubt := range agent.Doubts(id.Agent.Listen) {
		out.Printf("%s", doubt)
	}
	machine.BootMs = clock.SinceBoot().Milliseconds()
	out.Printf("ready %s", id.VMID)
	startCommand(spec, command, table, out, shutdown)
	return nil
}

func listen(id *identity.Identity, server *agent.Server) error {
	listeners, err := agent.Listen(id.Agent.Listen)
	if err != nil {
		return err
	}
	for _, listener := range listeners {
		go server.Serve(listener)
	}
	return nil
}

// listenForHost serves what the hypervisor asks for. Without it the guest is still of use.
func listenForHost(id *identity.Identity, shutdown *power.Shutdown) error {
	if id.Agent.Publish == "" {
		return nil
	}
	listeners, err := agent.Listen([]string{id.Agent.Publish})
	if err != nil {
		return err
	}
	var address netip.Addr
	if id.Network != nil {
		address = id.Network.Address.Addr()
	}
	powerOff := func() { shutdown.Run(stopTimeout, false) }
	for _, listener := range listeners {
		go publish.New(address, powerOff).Serve(listener)
	}
	return nil
}

func newServer(id *identity.Identity, table *process.Table, machine *control.Machine, out *console.Console) (*agent.Server, error) {
	return agent.New(agent.Config{
		Users: users.DB{Root: "/"}, Table: table, Env: id.Process.Env, Workdir: id.Process.Workdir,
		SessionUser: id.SessionUser, SelfExe: "/proc/self/exe",
		Control: func(stream io.ReadWriter) { machine.Serve(stream) },
		Background: func() (stdout, stderr agent.Flusher) {
			return console.NewLines(out, entrypoint.OutputPrefix), console.NewLines(out, entrypoint.OutputPrefix)
		},
	}, id.Agent.HostKey, id.Agent.AuthorizedKeys)
}

// startCommand runs the image's command: always without an init, beside one only when it was asked for.
func startCommand(spec Spec, command *entrypoint.Entrypoint, table *process.Table, out *console.Console, shutdown *power.Shutdown) {
	p := spec.Identity.Process
	wanted := spec.Mode == identity.ModeEntrypoint || (spec.Mode == identity.ModeInit && p.Explicit)
	if !wanted || len(p.Argv) == 0 {
		return
	}
	command.Run(table, users.DB{Root: "/"}, p, out, func() {
		if p.OnExit == "poweroff" {
			go shutdown.Run(stopTimeout, false)
		}
	})
}

func stopSignal(id *identity.Identity, out *console.Console) syscall.Signal {
	sig, err := process.ParseSignal(id.Process.StopSignal)
	if err != nil {
		out.Printf("process.stopSignal: %v; SIGTERM is used", err)
		return unix.SIGTERM
	}
	return sig
}

func powerOffAfterFailure(out *console.Console, id *identity.Identity) {
	if id == nil {
		power.Off(out, power.BootReboots())
		return
	}
	power.Off(out, id.RebootsToPowerOff())
}
