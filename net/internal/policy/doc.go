// Package policy decides what a VM may reach by the rules that its owner gave it: by address, and by the names that
// ember's resolver gave the guest that address for.
package policy
