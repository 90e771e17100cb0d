// Package dial opens connections to the outside for guests, directly or through a proxy.
package dial
