// Package control is the Unix socket by which ember tells ember-net what to do: one JSON object per line each way.
package control
