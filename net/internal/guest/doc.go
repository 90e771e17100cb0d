// Package guest is the network that one VM sees: its stack, its flows to the outside, its settings.
//
// Frames come in by receive, which drops what the VM may not send under its name; IP packets then go to a sibling, or
// into the VM's own stack. The stack takes every destination for its own, so that the VM's connections end here, and
// are continued by sockets of this process.
package guest
