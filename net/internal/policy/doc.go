// Package policy decides what a VM may reach by the rules that its owner gave it.
package policy
