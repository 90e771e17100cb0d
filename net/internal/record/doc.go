// Package record keeps which flows a VM had and was refused, for 'ember net audit'.
package record
