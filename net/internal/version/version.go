// Package version says which ember-net this is.
package version

// Number of the release, the same as ember's.
const Number = "0.1.0"

// Protocol of the control socket; another number is another protocol.
const Protocol = 2
