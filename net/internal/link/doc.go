// Package link carries Ethernet frames between ember-net and a hypervisor, over a stream or over datagrams.
package link
