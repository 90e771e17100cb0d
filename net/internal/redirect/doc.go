// Package redirect serves a VM whose packets the host's kernel routes (the network driver 'tap'): the firewall redirects
// the connections that it begins, and its questions, to sockets of ember-net on the host's end of the VM's cable. There
// the same policy, inspection and record serve it that serve the VMs whose packets ember-net carries itself.
//
// The kernel has accepted a connection before it comes here, so that a refusal is a reset, not a refused connection.
// Datagrams and ICMP stay with the firewall, which knows addresses alone.
package redirect
