// Package route passes IP packets between VMs of the same installation.
package route
