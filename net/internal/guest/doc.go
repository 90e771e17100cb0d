// Package guest is the network that one VM sees: its stack, its flows to the outside, its settings.
package guest
