// Package saved keeps what outlives ember-net in small files of JSON.
package saved
