// Package inspect reads what a guest says first on a connection, and decides by the name in it.
package inspect
