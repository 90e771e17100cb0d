// Package names is the resolver that guests ask: the VMs' own names, and the host's resolvers for all others.
package names
