// Package guard holds the contract that no policy can widen: which addresses a guest never reaches.
package guard
