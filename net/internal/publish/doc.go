// Package publish opens ports on the host that lead to a guest, and the socket that leads to its agent.
package publish
